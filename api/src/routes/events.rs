//! What happens to a job, as it happens: Server-Sent Events that resume, or a JSON page.
//!
//! The hub only says that there is news; a stream reads the numbered list from where it is, so nothing is lost or
//! repeated however often a client comes back. All streams of a process share one subscription.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, StreamExt as _, stream};
use serde::Serialize;
use serde_json::Value;
use shared::{
    id::JobId,
    store::{EventPage, Home, JobEvent, Listener, StoreError},
    time::Timestamp,
};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::Id;
use crate::{
    Api,
    auth::Caller,
    fields::Fields,
    problem::{Code, Problem},
    shares::Place,
};

/// 5,000 streams in one process; half of them for one tenant, where there are several.
pub(crate) const STREAMS_MAX: usize = 5_000;
/// 15 s between signs of life, below the idle time of every proxy.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// 1 s until a client comes back, and until the store is asked again when it was away.
const RETRY: Duration = Duration::from_secs(1);
/// 1 h, then the stream ends and the client resumes: nothing is open for ever.
const STREAM_MAX: Duration = Duration::from_secs(3600);

/// One event of a job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventView {
    /// Numbered from 1 without gaps.
    seq: u64,
    /// `job.queued`, `job.started`, `tool_call.finished`, …
    #[schema(example = "job.started")]
    r#type: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What happened.
    #[schema(value_type = Object)]
    data: Value,
}

impl From<JobEvent> for EventView {
    fn from(event: JobEvent) -> Self {
        Self { seq: event.seq, r#type: event.kind, at: event.at, data: event.data }
    }
}

/// One event of the stream.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what is streamed")]
pub(crate) struct StreamedEvent {
    /// `seq` of the event: what to send as `Last-Event-ID`; `gap` events have none.
    id: Option<String>,
    /// `type` of the event; `gap`: some events were not kept.
    event: String,
    /// The event as JSON, as in the page.
    data: String,
}

/// Events of a job, in order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventList {
    /// The events.
    data: Vec<EventView>,
    /// Some events after the asked-for point were not kept.
    gap: bool,
    /// Always false: a page holds all there are.
    has_more: bool,
    /// What to send as `after` to get what happens next.
    next_cursor: Option<String>,
}

/// What happens to a job, as it happens.
///
/// A stream of Server-Sent Events that ends after the final event; `Last-Event-ID` resumes it, and 204 says that there
/// will be no more. With `Accept: application/json` a page of what has happened so far.
#[utoipa::path(
    get, path = "/jobs/{id}/events", operation_id = "getJobEvents", tag = "jobs",
    params(
        ("id" = String, Path, description = "The job"),
        ("after" = Option<u64>, Query, description = "Only events after this number", minimum = 0),
        ("Last-Event-ID" = Option<String>, Header, description = "Only events after this number")
    ),
    responses(
        (status = 200, description = "The events", content(
            (StreamedEvent = "text/event-stream"),
            (EventList = "application/json")
        )),
        (status = 204, description = "The job is final and all its events were seen")
    )
)]
pub(crate) async fn events(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<JobId>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut fields = Fields::of_query(query.as_deref());
    let after = fields.integer("after", 0..=i64::MAX.unsigned_abs());
    let after = fields.finish(after)?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let after = last.or(after).unwrap_or(0);

    let mut reader =
        Reader { listener: api.hub.listen(id), home: caller.home().clone(), id, after, ended: false };
    let page = reader.next_page().await?.ok_or_else(|| Problem::no_such("job"))?;
    if wants_json(&headers) {
        let (gap, next) = (page.gap, reader.after);
        let data = page.events.into_iter().map(EventView::from).collect();
        return Ok(Json(EventList { data, gap, has_more: false, next_cursor: Some(next.to_string()) })
            .into_response());
    }
    if reader.ended && page.events.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let Some(place) = api.streams.take(caller.tenant()) else {
        return Err(Problem::new(Code::OverCapacity, "Too many event streams are open; try again."));
    };
    let sse = Sse::new(stream_of(api, reader, page, place)).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    let headers = [(HeaderName::from_static("x-accel-buffering"), "no"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, sse).into_response())
}

/// A browser's EventSource says `text/event-stream`; a client that says nothing gets the stream too.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("application/json") && !accept.contains("text/event-stream")
}

/// A place in the events of one job.
struct Reader {
    listener: Listener,
    home: Home,
    id: JobId,
    after: u64,
    ended: bool,
}

impl Reader {
    /// What there is after the place, which moves on. `None`: the tenant has no such job (any more).
    async fn next_page(&mut self) -> Result<Option<EventPage>, StoreError> {
        let page = self.home.store().events(self.home.tenant(), self.id, self.after).await?;
        let Some(page) = page else { return Ok(None) };
        self.after = page.events.last().map_or(self.after, |event| event.seq);
        self.ended = page.status.is_final();
        Ok(Some(page))
    }
}

/// The first page, then the pages after each piece of news, until the job is final.
fn stream_of(
    api: Api,
    reader: Reader,
    first: EventPage,
    place: Place,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let deadline = Instant::now() + STREAM_MAX;
    let start = (api, reader, Some(first), place);
    let pages = stream::unfold(start, move |(api, mut reader, first, place)| async move {
        let page = match first {
            Some(first) => first,
            None if reader.ended => return None,
            None => later_page(&api, &mut reader, deadline).await?,
        };
        Some((page, (api, reader, None, place)))
    });
    let hello = stream::iter([Event::default().retry(RETRY)]);
    hello.chain(pages.flat_map(|page| stream::iter(sse_events(page)))).map(Ok)
}

/// Waits for news and reads it. `None` when the stream is to end: at shutdown, after its time, or with its job.
async fn later_page(api: &Api, reader: &mut Reader, deadline: Instant) -> Option<EventPage> {
    let mut wait = Duration::MAX;
    loop {
        tokio::select! {
            biased;
            () = api.shutdown.cancelled() => return None,
            () = tokio::time::sleep_until(deadline) => return None,
            () = reader.listener.news() => {}
            () = tokio::time::sleep(wait) => {}
        }
        match reader.next_page().await {
            Ok(Some(page)) if page.events.is_empty() && !page.gap && !reader.ended => wait = Duration::MAX,
            Ok(page) => return page,
            // The stream stays open: to a browser's EventSource an answer other than 200 is the end.
            Err(StoreError::Unavailable(_)) => wait = RETRY,
            Err(StoreError::Unreadable(error)) => {
                tracing::error!(job.id = %reader.id, error, "The events of a job do not read.");
                return None;
            }
        }
    }
}

fn sse_events(page: EventPage) -> Vec<Event> {
    let gap = page.gap.then(|| Event::default().event("gap").data("{}"));
    let events = page.events.into_iter().map(|event| {
        let event = EventView::from(event);
        let data = serde_json::to_string(&event).unwrap_or_default();
        Event::default().id(event.seq.to_string()).event(&event.r#type).data(data)
    });
    gap.into_iter().chain(events).collect()
}
