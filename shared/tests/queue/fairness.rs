//! Whose turn it is: the tenant with the fewest running jobs, and in turn among equals.

use shared::{
    id::{TenantId, WorkflowId},
    job::{EntryId, Queue},
};

use crate::ground::{Ground, execute, succeeded, tenant};

async fn fill(ground: &Ground, tenant: &TenantId, workflow: WorkflowId, jobs: usize) -> Vec<EntryId> {
    let mut ids = Vec::new();
    for _ in 0..jobs {
        let submission = execute(tenant, workflow);
        ids.push(submission.job.id);
        ground.submit(submission).await;
    }
    ids
}

#[tokio::test]
async fn the_tenant_with_the_fewest_running_jobs_goes_first() {
    let (ground, large, small) = (Ground::new().await, tenant("large"), tenant("small"));
    let (workflow, other) = (ground.workflow(&large).await, ground.workflow(&small).await);
    let many = fill(&ground, &large, workflow, 50).await;
    assert_eq!(ground.claim_ids(Queue::Execute, 4).await, many[..4]);
    let few = fill(&ground, &small, other, 2).await;
    assert_eq!(ground.claim_ids(Queue::Execute, 3).await, [few[0], few[1], many[4]]);
    ground.assert_sound().await;
}

#[tokio::test]
async fn tenants_with_equally_many_take_turns() {
    let ground = Ground::new().await;
    let names = ["a", "b", "c"].map(tenant);
    let mut of = Vec::new();
    for name in &names {
        let workflow = ground.workflow(name).await;
        of.push(fill(&ground, name, workflow, 4).await);
    }
    let claimed = ground.claim_ids(Queue::Execute, 9).await;
    let expected: Vec<EntryId> = (0..3).flat_map(|round| of.iter().map(move |ids| ids[round])).collect();
    assert_eq!(claimed, expected);

    // Short jobs in one slot: still in turn, though nobody has any running in between.
    let mut slot = Vec::new();
    for fence in 1.. {
        let jobs = ground.store.claim(Queue::Execute, "w", 1).await.unwrap().jobs;
        let Some((job, claim)) = jobs.into_iter().next() else { break };
        assert!(ground.store.finish(job.id, claim.fence, &succeeded("1")).await.unwrap());
        slot.push(job.id);
        assert!(fence < 10);
    }
    assert_eq!(slot, [of[0][3], of[1][3], of[2][3]]);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_tenant_that_finishes_something_moves_up() {
    let ground = Ground::new().await;
    let (a, b) = (tenant("a"), tenant("b"));
    let (of_a, of_b) = (ground.workflow(&a).await, ground.workflow(&b).await);
    let (of_a, of_b) = (fill(&ground, &a, of_a, 4).await, fill(&ground, &b, of_b, 4).await);
    let jobs = ground.store.claim(Queue::Execute, "w", 4).await.unwrap().jobs;
    let held: Vec<EntryId> = jobs.iter().map(|(job, _)| job.id).collect();
    assert_eq!(held, [of_a[0], of_b[0], of_a[1], of_b[1]]);
    for (job, claim) in jobs.into_iter().filter(|(job, _)| job.tenant == b) {
        assert!(ground.store.finish(job.id, claim.fence, &succeeded("1")).await.unwrap());
    }
    assert_eq!(ground.claim_ids(Queue::Execute, 2).await, [of_b[2], of_b[3]]);
    assert_eq!(ground.claim_ids(Queue::Execute, 1).await, [of_a[2]]);
    ground.assert_sound().await;
}

#[tokio::test]
async fn one_tenants_thousands_of_jobs_do_not_delay_another_tenants_one() {
    let (ground, large, small) = (Ground::new().await, tenant("large"), tenant("small"));
    let (workflow, other) = (ground.workflow(&large).await, ground.workflow(&small).await);
    fill(&ground, &large, workflow, 5000).await;
    let (first, _) = ground.claim_one(Queue::Execute).await;
    assert_eq!(first.tenant, large);
    let ids = fill(&ground, &small, other, 1).await;
    let (next, claim) = ground.claim_one(Queue::Execute).await;
    assert_eq!(next.id, ids[0]);
    assert!(ground.store.finish(next.id, claim.fence, &succeeded("1")).await.unwrap());
    ground.assert_sound().await;
}
