//! Several shards: who lives where, for ever, and what processes learn of each other. Each test has a server of its own,
//! because it uses its shards by number.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use secrecy::SecretString;
use shared::{
    api_key::{ApiKey, Scope},
    id::TenantId,
    job::Queue,
    seal::Sealer,
    store::{KeyMade, KeyRecord, NewKey, Room, Shard, Shards, Store, StoreConfig, TenantChange},
};
use tokio_util::sync::CancellationToken;

use crate::{
    floor::{DEADLINE, wait_until},
    ground::{new_workflow, tenant},
    redis_server::RedisServer,
};

/// A process that is told of so many shards.
fn told_of(server: &RedisServer, shards: u16) -> Shards {
    Shards::new(&StoreConfig { shards, ..StoreConfig::new(server.url()) }).unwrap()
}

async fn settled(shards: &Shards, names: &[&str]) -> Vec<u16> {
    let mut numbers = Vec::new();
    for name in names {
        numbers.push(shards.settle(&tenant(name)).await.unwrap().store().shard().0);
    }
    numbers
}

async fn homes(shards: &Shards, names: &[&str]) -> Vec<u16> {
    let tenants: Vec<TenantId> = names.iter().map(|name| tenant(name)).collect();
    let homes = join_all(tenants.iter().map(|tenant| shards.home(tenant))).await;
    homes.into_iter().map(|home| home.unwrap().store().shard().0).collect()
}

fn sealer() -> Sealer {
    Sealer::from_keys(&SecretString::from("A".repeat(43) + "=")).unwrap()
}

fn made(made: KeyMade) -> (ApiKey, KeyRecord) {
    match made {
        KeyMade::New(key, record) => (key, record),
        other => panic!("{other:?}"),
    }
}

fn key_of(tenant: &TenantId) -> NewKey {
    NewKey {
        tenant: tenant.clone(),
        name: String::new(),
        scopes: vec![Scope::Read],
        expires_in: None,
        replaces: None,
    }
}

#[tokio::test]
async fn a_tenant_keeps_its_shard_whatever_is_configured_later() {
    let server = RedisServer::start(&[]);
    let names = ["a", "b", "c", "d", "e", "f"];
    assert_eq!(settled(&told_of(&server, 1), &names[..2]).await, [0, 0]);
    // More shards: those that are there stay, new ones go where there are fewest.
    assert_eq!(settled(&told_of(&server, 3), &names).await, [0, 0, 1, 2, 1, 2]);
    // Processes that start later, with more, as many and fewer.
    for count in [5, 3, 1] {
        let shards = told_of(&server, count);
        assert_eq!(homes(&shards, &names).await, [0, 0, 1, 2, 1, 2], "{count}");
        assert_eq!(settled(&shards, &names).await, [0, 0, 1, 2, 1, 2], "{count}");
    }
    assert_eq!(settled(&told_of(&server, 1), &["g"]).await, [0], "new ones go where they are to");
    // The operator's own, and one that is not there.
    assert_eq!(homes(&told_of(&server, 3), &["default", "nobody"]).await, [0, 0]);
}

#[tokio::test]
async fn who_was_there_before_there_were_several_lives_on_the_first() {
    let server = RedisServer::start(&[]);
    let first = Store::new(&StoreConfig::new(server.url())).unwrap();
    let (old, set, keyed) = (tenant("old"), tenant("set"), tenant("keyed"));
    // As all tenants were made then: nothing says where they are.
    first.add_tenant(&old).await.unwrap();
    first.change_tenant(&set, &TenantChange::default()).await.unwrap();
    first.add_tenant(&keyed).await.unwrap();
    let (secret, _) = made(first.create_key(&key_of(&keyed), None, &sealer()).await.unwrap());

    let shards = told_of(&server, 3);
    let known = shards.known_key(&secret, &sealer()).await.unwrap().expect("it is known");
    assert_eq!(shards.home_of_key(&known).unwrap().store().shard(), Shard(0));
    assert_eq!(homes(&shards, &["old", "set", "keyed"]).await, [0, 0, 0]);
    assert_eq!(settled(&shards, &["new", "old", "set", "keyed"]).await, [1, 0, 0, 0]);
}

#[tokio::test]
async fn a_key_tells_where_its_tenant_lives_and_so_does_the_one_that_replaces_it() {
    let server = RedisServer::start(&[]);
    let (shards, sealer) = (told_of(&server, 3), sealer());
    for (name, number) in [("a", 0), ("b", 1), ("c", 2)] {
        let home = shards.settle(&tenant(name)).await.unwrap();
        let new = key_of(home.tenant());
        let (secret, record) = made(shards.create_key(&new, None, &sealer).await.unwrap());
        let replacing = NewKey { replaces: Some((record.id, Duration::ZERO)), ..key_of(home.tenant()) };
        let (replaced, _) = made(shards.create_key(&replacing, None, &sealer).await.unwrap());
        assert!(shards.known_key(&secret, &sealer).await.unwrap().is_none());
        // A process that has never heard of several.
        let other = told_of(&server, 1);
        let known = other.known_key(&replaced, &sealer).await.unwrap().expect("it is known");
        let home = other.home_of_key(&known).unwrap();
        assert_eq!((home.store().shard().0, home.tenant()), (number, &tenant(name)));
        assert!(other.all().len() > usize::from(number), "what it heard of is served");
    }
}

#[tokio::test]
async fn those_who_make_the_same_tenant_at_once_agree_on_its_shard() {
    let server = RedisServer::start(&[]);
    let processes: Vec<Shards> = (0..4).map(|number| told_of(&server, number + 1)).collect();
    for round in 0..20 {
        let name = tenant(&format!("t{round}"));
        let settled = join_all(processes.iter().map(|shards| shards.settle(&name))).await;
        let numbers: Vec<Shard> = settled.into_iter().map(|home| home.unwrap().store().shard()).collect();
        assert!(numbers.iter().all(|number| *number == numbers[0]), "{numbers:?}");
        let kept = processes[0].home(&name).await.unwrap();
        assert_eq!(kept.store().shard(), numbers[0]);
        // Its record is there and nowhere else.
        for store in told_of(&server, 4).all() {
            let made = store.tenant(&name).await.unwrap().created_at.is_some();
            assert_eq!(made, store.shard() == numbers[0], "{store:?}");
        }
    }
}

#[tokio::test]
async fn a_process_serves_shards_that_others_brought_into_use() {
    let server = RedisServer::start(&[]);
    let (few, ended) = (told_of(&server, 1), CancellationToken::new());
    let served = Arc::new(std::sync::Mutex::new(Vec::new()));
    let serving = tokio::spawn({
        let (few, ended, served) = (few.clone(), ended.clone(), served.clone());
        async move {
            let serve = |store: Store| {
                served.lock().unwrap().push(store.shard().0);
                ended.clone().cancelled_owned()
            };
            few.serve_each(ended.clone(), serve).await;
        }
    });
    wait_until(async || *served.lock().unwrap() == [0]).await;
    assert_eq!(settled(&told_of(&server, 3), &["a", "b"]).await, [0, 1]);
    let learning = tokio::spawn(few.clone().learn_until(ended.clone()));
    wait_until(async || *served.lock().unwrap() == [0, 1]).await;
    // The third is in use only when somebody lives there.
    assert_eq!(few.all().len(), 2);
    ended.cancel();
    for task in [serving, learning] {
        tokio::time::timeout(DEADLINE, task).await.expect("it ends").unwrap();
    }
}

#[tokio::test]
async fn what_is_listed_and_counted_is_of_all_shards_and_jobs_are_of_one() {
    let server = RedisServer::start(&[]);
    let shards = told_of(&server, 3);
    let names = ["e", "b", "d", "a", "c"];
    assert_eq!(settled(&shards, &names).await, [0, 1, 2, 0, 1]);
    let mut jobs = Vec::new();
    for name in names {
        let home = shards.home(&tenant(name)).await.unwrap();
        jobs.push((home.clone(), home.store().submit(&new_workflow(home.tenant())).await.unwrap()));
    }
    // Page by page, by name.
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = shards.tenants(after.as_ref(), 2).await.unwrap();
        seen.extend(page.items.iter().map(|tenant| (tenant.id.to_string(), tenant.shard.0)));
        let Some(next) = page.next else { break };
        after = Some(next.parse().unwrap());
    }
    let expected = [("a", 0), ("b", 1), ("c", 1), ("d", 2), ("e", 0)];
    assert_eq!(seen, expected.map(|(name, number)| (name.to_owned(), number)));

    let measured = shards.measures().await.unwrap();
    let waiting = r#"wf_queue_jobs{queue="generate",state="queued"}"#;
    assert!((measured[waiting] - 5.0).abs() < f64::EPSILON, "{measured:?}");
    for number in 0..3 {
        assert!(measured.contains_key(&format!(r#"wf_store_memory_bytes{{shard="{number}"}}"#)));
    }
    let alone = told_of(&server, 1).measures().await.unwrap();
    assert!(alone.contains_key("wf_store_memory_bytes"), "with one shard there is no label: {alone:?}");

    // A job is where its tenant lives: nobody finds it on another shard, and it is claimed there.
    for (home, submitted) in &jobs {
        for store in shards.all() {
            let found = store.job(home.tenant(), submitted.job_id).await.unwrap().is_some();
            assert_eq!(found, store.shard() == home.store().shard());
        }
    }
    for (store, expected) in shards.all().iter().zip([2, 2, 1]) {
        assert_eq!(store.claim(Queue::Generate, "w", Room::of(9)).await.unwrap().jobs.len(), expected);
    }
    shards.ping().await.unwrap();
    shards.ping_any().await.unwrap();
}
