//! What is stored of tenants: their record, and the secrets that lie in it sealed.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use secrecy::{ExposeSecret as _, SecretString};
use shared::{
    id::TenantId,
    job::EntryId,
    seal::Sealer,
    store::{DailyBudget, DailyLimits, DaySpent, Progress, ProgressAnswer, Spending, TenantChange},
    tenant::{CredentialName, TenantLimits},
};

use crate::ground::Ground;

fn sealer(keys: &[u8]) -> Sealer {
    let list: Vec<String> = keys.iter().map(|byte| BASE64.encode([*byte; 32])).collect();
    Sealer::from_keys(&SecretString::from(list.join(","))).unwrap()
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

#[tokio::test]
async fn a_tenant_has_what_was_set_for_it_and_defaults_for_the_rest() {
    let ground = Ground::new().await;
    let unset = ground.store.tenant(&acme()).await.unwrap();
    assert_eq!((unset.created_at, unset.limits, unset.workspaces), (None, TenantLimits::default(), None));
    assert!(ground.store.add_tenant(&acme()).await.unwrap());
    assert!(!ground.store.add_tenant(&acme()).await.unwrap(), "it was there");
    let change = TenantChange {
        limits: vec![("running_max", Some(3)), ("tokens_per_day", Some(0))],
        workspaces: Some(Some(vec![7, 8])),
        operator_credentials: Some(true),
    };
    ground.store.change_tenant(&acme(), &change).await.unwrap();
    let set = ground.store.tenant(&acme()).await.unwrap();
    assert_eq!(set.limits.running_max, Some(3));
    assert_eq!(set.limits.tokens_per_day, Some(0));
    assert_eq!(set.limits.queued_max, None);
    assert_eq!(set.workspaces, Some(vec![7, 8]));
    assert!(set.created_at.is_some() && set.operator_credentials);
    let back = TenantChange {
        limits: vec![("running_max", None)],
        workspaces: Some(None),
        operator_credentials: Some(false),
    };
    ground.store.change_tenant(&acme(), &back).await.unwrap();
    let back = ground.store.tenant(&acme()).await.unwrap();
    assert_eq!((back.limits.running_max, back.workspaces, back.operator_credentials), (None, None, false));
}

#[tokio::test]
async fn tenants_are_listed_by_name_page_by_page() {
    let ground = Ground::new().await;
    for name in ["b", "a", "c"] {
        ground.store.add_tenant(&name.parse().unwrap()).await.unwrap();
    }
    let first = ground.store.tenants(None, 2).await.unwrap();
    assert_eq!(first.items.iter().map(|tenant| tenant.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let after = first.next.unwrap().parse().unwrap();
    let second = ground.store.tenants(Some(&after), 2).await.unwrap();
    assert_eq!(second.items[0].id.as_str(), "c");
    assert!(second.next.is_none());
}

#[tokio::test]
async fn credentials_lie_sealed_and_two_who_change_them_at_once_lose_nothing() {
    let ground = Ground::new().await;
    let sealer = sealer(&[1]);
    let set = |name, text: &'static str| {
        let (store, sealer) = (ground.another_store(), sealer.clone());
        async move {
            let change = |known: &mut shared::tenant::Credentials| known.set(name, SecretString::from(text));
            store.change_credentials(&acme(), &sealer, change).await.unwrap();
        }
    };
    tokio::join!(
        set(CredentialName::AnthropicApiKey, "sk-one"),
        set(CredentialName::LightonApiKey, "lgt-two"),
        set(CredentialName::OpenaiApiKey, "oai-three"),
    );
    let tenant = ground.store.tenant(&acme()).await.unwrap();
    let credentials = tenant.credentials(&sealer).unwrap();
    assert_eq!(credentials.iter().count(), 3);
    assert_eq!(credentials.get(CredentialName::AnthropicApiKey).unwrap().expose_secret(), "sk-one");
    let record: Vec<String> = ground.redis(&["HVALS", &ground.key("tenant:acme")]).await;
    assert!(!record.join(" ").contains("sk-one"));
    for name in CredentialName::ALL {
        assert!(ground.store.change_credentials(&acme(), &sealer, |known| known.remove(name)).await.unwrap());
    }
    let left: i64 = ground.redis(&["HEXISTS", &ground.key("tenant:acme"), "credentials"]).await;
    assert_eq!(left, 0);
}

#[tokio::test]
async fn after_a_reseal_the_older_key_may_go() {
    let ground = Ground::new().await;
    let (old, both, new) = (sealer(&[1]), sealer(&[2, 1]), sealer(&[2]));
    let set = |known: &mut shared::tenant::Credentials| {
        known.set(CredentialName::LightonApiKey, SecretString::from("lgt"));
    };
    ground.store.change_credentials(&acme(), &old, set).await.unwrap();
    let overlap = std::time::Duration::from_secs(60);
    let before = ground.store.rotate_webhook_secret(&acme(), &old, overlap, None).await.unwrap().unwrap();
    assert!(ground.store.webhook_secrets(&acme(), &new).await.is_err(), "the new key alone opens nothing");
    assert_eq!(ground.store.reseal(&acme(), &both).await.unwrap(), 3);
    assert_eq!(ground.store.reseal(&acme(), &both).await.unwrap(), 0);
    let after = ground.store.webhook_secrets(&acme(), &new).await.unwrap();
    assert_eq!(after.current.expose(), before.current.expose());
    assert_eq!(after.previous.unwrap().0.expose(), before.previous.unwrap().0.expose());
    assert!(ground.store.tenant(&acme()).await.unwrap().credentials(&new).is_ok());
}

#[tokio::test]
async fn a_rotated_webhook_secret_goes_on_signing_for_as_long_as_asked() {
    let ground = Ground::new().await;
    let sealer = sealer(&[1]);
    let first = ground.store.webhook_secrets(&acme(), &sealer).await.unwrap();
    assert!(first.previous.is_none());
    let overlap = std::time::Duration::from_secs(3600);
    let second = ground.store.rotate_webhook_secret(&acme(), &sealer, overlap, None).await.unwrap().unwrap();
    assert_ne!(second.current.expose(), first.current.expose());
    let (previous, until) = second.previous.unwrap();
    assert_eq!(previous.expose(), first.current.expose());
    assert!(until.as_millis() > ground.now_ms().await + 3_500_000);
    // Its time is over.
    let key = ground.key("t:acme:webhook_secret");
    let past = (ground.now_ms().await - 1_000).to_string();
    ground.redis::<i64>(&["HSET", &key, "previous_expires_at", &past]).await;
    assert!(ground.store.webhook_secrets(&acme(), &sealer).await.unwrap().previous.is_none());
    let at_once = ground
        .store
        .rotate_webhook_secret(&acme(), &sealer, std::time::Duration::ZERO, None)
        .await
        .unwrap()
        .unwrap();
    assert!(at_once.previous.is_none());
}

fn uses(tool_calls: u64, set_aside: u64) -> Spending {
    Spending { tool_calls, set_aside, ..Spending::default() }
}

#[tokio::test]
async fn a_day_that_is_used_up_refuses_a_call_before_it_is_made_and_says_which_budget() {
    let (ground, acme) = (Ground::new().await, acme());
    let (id, claim) = ground.running_job(&acme).await;
    let limits = DailyLimits { tool_calls: 2, tokens: 1000 };
    let progress = async |spending| {
        let journal = vec![(format!("{spending:?}"), "{}".to_owned())];
        let progress = Progress { journal, spending, limits, ..Progress::default() };
        ground.store.progress(EntryId::Job(id), claim.fence, &progress, 10_000).await.unwrap()
    };
    assert_eq!(progress(uses(1, 600)).await, ProgressAnswer::Recorded);
    // What is set aside counts until the answer tells what was needed.
    assert_eq!(progress(uses(1, 600)).await, ProgressAnswer::Recorded);
    let spent = DaySpent { budget: DailyBudget::ToolCalls, used: 2, limit: 2 };
    assert_eq!(progress(uses(1, 0)).await, ProgressAnswer::DaySpent(spent));
    let spent = DaySpent { budget: DailyBudget::Tokens, used: 1200, limit: 1000 };
    assert_eq!(progress(uses(0, 1)).await, ProgressAnswer::DaySpent(spent));
    let answer = Spending { input_tokens: 300, output_tokens: 50, released: 600, ..Spending::default() };
    assert_eq!(progress(answer).await, ProgressAnswer::Recorded);
    assert_eq!(progress(uses(0, 1)).await, ProgressAnswer::Recorded, "950 of 1000");
    let usage = ground.store.usage(&acme).await.unwrap();
    assert_eq!((usage.tool_calls, usage.input_tokens, usage.output_tokens), (2, 300, 50));
    assert_eq!((usage.jobs, usage.running), (2, 1), "the workflow's generate job and the run");
    let journal: i64 = ground.redis(&["HLEN", &format!("{}:journal", ground.job_key(id))]).await;
    assert_eq!(journal, 3, "what was refused is not recorded");
    // The tenant's own record comes first.
    let change = TenantChange { limits: vec![("tool_calls_per_day", Some(0))], ..TenantChange::default() };
    ground.store.change_tenant(&acme, &change).await.unwrap();
    assert_eq!(progress(uses(1, 0)).await, ProgressAnswer::Recorded);
}

#[tokio::test]
async fn what_an_attempt_that_lost_its_job_used_is_counted_all_the_same() {
    let (ground, acme) = (Ground::new().await, acme());
    let (id, claim) = ground.running_job(&acme).await;
    let spending = Spending { input_tokens: 70, released: 100, ..Spending::default() };
    let progress = Progress { spending, ..Progress::default() };
    let stale = ground.store.progress(EntryId::Job(id), claim.fence + 1, &progress, 1000).await.unwrap();
    assert_eq!(stale, ProgressAnswer::Stale);
    assert_eq!(ground.store.usage(&acme).await.unwrap().input_tokens, 70);
    // Nothing was set aside today, so nothing is given back.
    let limits = DailyLimits { tool_calls: 0, tokens: 71 };
    assert_eq!(ground.store.spend(&acme, limits, &uses(0, 1)).await.unwrap(), Ok(()));
    let refused = ground.store.spend(&acme, limits, &uses(0, 1)).await.unwrap();
    assert_eq!(refused, Err(DaySpent { budget: DailyBudget::Tokens, used: 71, limit: 71 }));
}
