//! A store that stands before another one.

/// Writes methods of an [`ArtifactStore`](crate::ArtifactStore) that stands before another one, its field `store`, and leaves them to that.
/// `upkeep` are all by which blobs are kept for longer, let go or needed by somebody: what is forgotten of these would do nothing.
#[macro_export]
macro_rules! forwarded {
    ($($method:ident),+) => {
        $($crate::forwarded!(@ $method);)+
    };
    (@ put) => {
        fn put<'a>(
            &'a self,
            id: &'a $crate::types::ArtifactId,
            kind: $crate::ArtifactKind,
            bytes: $crate::types::Bytes,
        ) -> $crate::Reply<'a, ()> {
            self.store.put(id, kind, bytes)
        }
    };
    (@ get) => {
        fn get<'a>(
            &'a self,
            id: &'a $crate::types::ArtifactId,
            kind: $crate::ArtifactKind,
        ) -> $crate::Reply<'a, $crate::types::Bytes> {
            self.store.get(id, kind)
        }
    };
    (@ exists) => {
        fn exists<'a>(
            &'a self,
            id: &'a $crate::types::ArtifactId,
            kind: $crate::ArtifactKind,
        ) -> $crate::Reply<'a, bool> {
            self.store.exists(id, kind)
        }
    };
    (@ delete) => {
        fn delete<'a>(
            &'a self,
            id: &'a $crate::types::ArtifactId,
            kind: $crate::ArtifactKind,
        ) -> $crate::Reply<'a, ()> {
            self.store.delete(id, kind)
        }
    };
    (@ remove_ref) => {
        fn remove_ref<'a>(
            &'a self,
            id: &'a $crate::types::ArtifactId,
            kind: $crate::ArtifactKind,
            holder: &'a str,
        ) -> $crate::Reply<'a, bool> {
            self.store.remove_ref(id, kind, holder)
        }
    };
    (@ upkeep) => {
        fn remove_unused<'a>(
            &'a self,
            unused_for: $crate::types::Duration,
            in_use: $crate::types::Arc<$crate::types::BTreeSet<$crate::types::ArtifactId>>,
        ) -> $crate::Reply<'a, $crate::Removed> {
            self.store.remove_unused(unused_for, in_use)
        }

        fn lifetime(&self) -> ::core::option::Option<$crate::types::Duration> {
            self.store.lifetime()
        }

        fn keep_alive<'a>(
            &'a self,
            ids: $crate::types::Arc<$crate::types::BTreeSet<$crate::types::ArtifactId>>,
        ) -> $crate::Reply<'a, ()> {
            self.store.keep_alive(ids)
        }

        fn let_expire<'a>(
            &'a self,
            ids: $crate::types::Arc<$crate::types::BTreeSet<$crate::types::ArtifactId>>,
            after: $crate::types::Duration,
        ) -> $crate::Reply<'a, ()> {
            self.store.let_expire(ids, after)
        }

        fn add_ref<'a>(
            &'a self,
            id: &'a $crate::types::ArtifactId,
            holder: &'a str,
        ) -> $crate::Reply<'a, ()> {
            self.store.add_ref(id, holder)
        }
    };
}

/// What stands in those methods.
pub mod types {
    pub use bytes::Bytes;
    pub use proofmill_primitives::ArtifactId;
    pub use std::{collections::BTreeSet, sync::Arc, time::Duration};
}
