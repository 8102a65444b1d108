//! What apply and the way back send for the demo's tenant and for generated ones is what the official descriptions say.

use std::collections::BTreeSet;

use tenet::remedy::apply::Ending;
use tenet::remedy::undo::{Back, undo_plan};
use tenet::sources::azure::memory::{Caller, Grant, MemoryTarget, MemoryTenant};

use super::fake::Hands;
use super::tenants::{HARPER, changed, file, imported, planned};
use super::world::{policies, run};
use crate::memory::recorded;
use crate::openapi::{Asked, Descriptions};
use crate::tenant::Tenant;

#[test]
fn what_apply_and_undo_send_is_described() {
    let descriptions = Descriptions::read();
    let fixture = Tenant::open("contoso");
    let (mut wrong, mut written, mut n_steps) = (BTreeSet::new(), BTreeSet::new(), 0);
    for pages in [recorded("contoso"), changed(0), changed(1)] {
        let snapshot = imported(&fixture, &pages);
        let plan = file(planned(&fixture, &snapshot).1);
        let clock = Hands::at(plan.plan.created);
        let mut tenant = MemoryTenant::from_answers(&pages).unwrap();
        tenant.add_caller("harper", Caller { object_id: HARPER.to_owned(), grants: Grant::everything() });
        let mut target = MemoryTarget::new(tenant, "harper", &clock);
        let folder = tempfile::tempdir().unwrap();
        let report = run(&plan, &folder.path().join("journal"), &mut target, &clock).unwrap();
        assert_eq!(report.ending, Ending::Complete);
        n_steps += plan.plan.steps.len();
        let back = Back { now: clock.now_(), planner: "jo", policies: &policies(), tool: "test" };
        let back = file(undo_plan(&report.progress, &back));
        if !back.plan.steps.is_empty() {
            run(&back, &folder.path().join("back"), &mut target, &clock).unwrap();
        }
        for sent in target.log() {
            let method = sent.method.map_or_else(|| "GET".to_owned(), |method| format!("{method:?}").to_uppercase());
            // The links of the tenant's own lists are followed as they are.
            let continued = sent.query.iter().any(|(name, _)| name == "$skiptoken");
            let asked =
                Asked { method: &method, path: &sent.path, query: &sent.query, body: sent.body.as_ref(), continued, template: false };
            match descriptions.check(&asked) {
                Ok(matched) if method != "GET" => {
                    written.insert(matched.named);
                }
                Ok(_) => {}
                Err(why) => {
                    wrong.insert(why);
                }
            }
        }
    }
    println!("{n_steps} steps, and back: {written:#?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(n_steps > 5 && written.len() > 3, "{n_steps} steps: {written:?}");
}
