//! Places of which no tenant may have all: streams and waits hold them for long, and another tenant's comes, too.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use shared::id::TenantId;

/// Places of one kind in this process.
#[derive(Debug, Clone)]
pub(crate) struct Shares {
    all: usize,
    each: usize,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    by: HashMap<TenantId, usize>,
}

/// One place; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    held: Arc<Mutex<Held>>,
    tenant: TenantId,
}

impl Shares {
    /// So many places, of which one tenant may have half; all of them where there is but one tenant.
    pub(crate) fn new(all: usize, one_tenant: bool) -> Self {
        Self { all, each: if one_tenant { all } else { all / 2 }, held: Arc::default() }
    }

    /// How many places are taken.
    pub(crate) fn held(&self) -> usize {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// A place for a tenant. `None`: there is none, or it has its share.
    pub(crate) fn take(&self, tenant: &TenantId) -> Option<Place> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.by.get(tenant).copied().unwrap_or_default();
        if held.all >= self.all || own >= self.each {
            return None;
        }
        held.all += 1;
        held.by.insert(tenant.clone(), own + 1);
        Some(Place { held: self.held.clone(), tenant: tenant.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.all -= 1;
        if let Some(own) = held.by.get_mut(&self.tenant) {
            *own -= 1;
            if *own == 0 {
                held.by.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_with_its_share_leaves_places_for_others_and_gives_back_what_it_had() {
        let shares = Shares::new(4, false);
        let (acme, other): (TenantId, TenantId) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let mut places = vec![shares.take(&acme).unwrap(), shares.take(&acme).unwrap()];
        assert!(shares.take(&acme).is_none());
        places.push(shares.take(&other).unwrap());
        places.push(shares.take(&other).unwrap());
        assert!(shares.take(&"third".parse().unwrap()).is_none(), "there are four");
        places.remove(0);
        assert!(shares.take(&acme).is_some());
        drop(places);
        let held = shares.held.lock().unwrap();
        assert!(held.all == 0 && held.by.is_empty(), "{held:?}");
    }

    #[test]
    fn where_there_is_but_one_tenant_it_may_have_all() {
        let shares = Shares::new(2, true);
        let tenant = TenantId::default_tenant();
        let places = [shares.take(&tenant), shares.take(&tenant), shares.take(&tenant)];
        assert_eq!(places.iter().flatten().count(), 2);
    }
}
