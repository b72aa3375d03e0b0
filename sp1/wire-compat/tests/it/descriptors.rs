//! Every message, field, enum, service and method of the SP1 cluster is in Proofmill's definitions, the same in all that
//! goes over the wire, and nothing beside them.

use crate::sources;
use prost_reflect::{DescriptorPool, EnumDescriptor, FieldDescriptor, MessageDescriptor, ServiceDescriptor};
use std::collections::BTreeMap;

/// The packages that both sides define; Google's own messages are left out.
const PACKAGES: [&str; 2] = ["cluster", "worker"];

/// All that a definition means, one line for each part of it, by the name of what it is about.
fn meaning(pool: &DescriptorPool) -> BTreeMap<String, Vec<String>> {
    let messages = pool.all_messages().filter(|message| PACKAGES.contains(&message.package_name()));
    let enums = pool.all_enums().filter(|kind| PACKAGES.contains(&kind.package_name()));
    let services = pool.services().filter(|service| PACKAGES.contains(&service.package_name()));
    messages
        .map(|message| (format!("message {}", message.full_name()), message_lines(&message)))
        .chain(enums.map(|kind| (format!("enum {}", kind.full_name()), enum_lines(&kind))))
        .chain(services.map(|service| (format!("service {}", service.full_name()), service_lines(&service))))
        .collect()
}

fn message_lines(message: &MessageDescriptor) -> Vec<String> {
    message.fields().map(|field| field_line(&field)).collect()
}

fn field_line(field: &FieldDescriptor) -> String {
    let union = field.containing_oneof().map(|union| union.name().to_owned());
    format!(
        "{} = {}: {:?} {:?}, json {}, packed {}, presence {}, in {union:?}, default {:?}",
        field.name(),
        field.number(),
        field.cardinality(),
        field.kind(),
        field.json_name(),
        field.is_packed(),
        field.supports_presence(),
        field.default_value(),
    )
}

fn enum_lines(kind: &EnumDescriptor) -> Vec<String> {
    kind.values().map(|value| format!("{} = {}", value.name(), value.number())).collect()
}

fn service_lines(service: &ServiceDescriptor) -> Vec<String> {
    let mut lines: Vec<_> = service
        .methods()
        .map(|method| {
            format!(
                "{}: {} stream {} -> {} stream {}",
                method.full_name(),
                method.input().full_name(),
                method.is_client_streaming(),
                method.output().full_name(),
                method.is_server_streaming(),
            )
        })
        .collect();
    // A method is found by its name; where it stands means nothing.
    lines.sort();
    lines
}

#[test]
fn both_mean_the_same() {
    let (ours, theirs) = (meaning(&sources::ours()), meaning(&sources::theirs()));
    for (name, lines) in &theirs {
        assert_eq!(ours.get(name), Some(lines), "{name}");
    }
    for name in ours.keys() {
        assert!(theirs.contains_key(name), "{name} is not in the SP1 cluster's format");
    }
    // A comparison of nothing with nothing would pass as well.
    assert!(theirs.len() > 50, "{}", theirs.len());
    assert!(theirs["service cluster.ClusterService"].len() >= 8);
    assert!(theirs["service worker.WorkerService"].len() >= 19);
}

#[test]
fn a_changed_number_would_be_noticed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/wire/proto/worker.proto");
    let text = std::fs::read_to_string(folder).unwrap();
    let changed = text.replace("uint32 max_weight = 3;", "uint32 max_weight = 33;");
    assert_ne!(text, changed);
    let mut files = protox::Compiler::with_file_resolver({
        let mut chain = protox::file::ChainFileResolver::new();
        chain.add(Altered(changed));
        chain.add(protox::file::GoogleFileResolver::new());
        chain
    });
    files.open_file("worker.proto").unwrap();
    let altered = meaning(&files.descriptor_pool());
    assert_ne!(
        altered["message worker.OpenRequest"],
        meaning(&sources::theirs())["message worker.OpenRequest"]
    );
}

struct Altered(String);

impl protox::file::FileResolver for Altered {
    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        match name {
            "worker.proto" => protox::file::File::from_source(name, &self.0),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}
