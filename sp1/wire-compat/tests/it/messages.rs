//! What one side's generated code writes, the other's reads, in full, both ways.

use crate::sources;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value,
};
use std::collections::BTreeSet;

/// The check for each message, by name.
macro_rules! each_message {
    ($($package:ident $name:literal $type:ident;)*) => {
        [$((
            concat!(stringify!($package), ".", $name),
            there_and_back::<
                proofmill_wire::$package::$type,
                sp1_prover_types::$package::$type,
            > as fn(&DynamicMessage),
        )),*]
    };
}

/// A source of values that is the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A message with every field set to something else than its default. Of a union, the field that is `pick`ed.
    fn message(&mut self, of: &MessageDescriptor, pick: usize) -> DynamicMessage {
        let mut message = DynamicMessage::new(of.clone());
        for field in of.fields() {
            if let Some(union) = field.containing_oneof().filter(|union| union.fields().len() > 1) {
                let fields: Vec<_> = union.fields().collect();
                if fields[pick % fields.len()] != field {
                    continue;
                }
            }
            let value = if field.is_map() {
                let Kind::Message(entry) = field.kind() else { unreachable!() };
                let key = MapKey::String(self.roll().to_string());
                Value::Map([(key, self.value(&entry.map_entry_value_field(), pick))].into())
            } else if field.is_list() {
                Value::List((0..3).map(|_| self.value(&field, pick)).collect())
            } else {
                self.value(&field, pick)
            };
            message.set_field(&field, value);
        }
        message
    }

    fn value(&mut self, field: &FieldDescriptor, pick: usize) -> Value {
        let roll = self.roll() | 1;
        match field.kind() {
            Kind::Double => Value::F64(roll as f64),
            Kind::Float => Value::F32(roll as f32),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(roll as i32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(roll as i64),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(roll as u32),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(roll),
            Kind::Bool => Value::Bool(true),
            Kind::String => Value::String(format!("{roll:x} ü")),
            Kind::Bytes => Value::Bytes(roll.to_be_bytes().to_vec().into()),
            Kind::Enum(kind) => {
                let numbers: Vec<_> =
                    kind.values().map(|value| value.number()).filter(|number| *number != 0).collect();
                Value::EnumNumber(numbers[roll as usize % numbers.len()])
            }
            Kind::Message(message) => Value::Message(self.message(&message, pick)),
        }
    }
}

fn there_and_back<Ours: Message + Default, Theirs: Message + Default>(message: &DynamicMessage) {
    let (bytes, of) = (message.encode_to_vec(), message.descriptor());
    let name = of.full_name();
    let ours = Ours::decode(bytes.as_slice()).unwrap().encode_to_vec();
    let theirs = Theirs::decode(bytes.as_slice()).unwrap().encode_to_vec();
    assert_eq!(ours, theirs, "{name}: both write the same bytes");
    let by_ours = Ours::decode(theirs.as_slice()).unwrap().encode_to_vec();
    let by_theirs = Theirs::decode(ours.as_slice()).unwrap().encode_to_vec();
    for bytes in [by_ours, by_theirs] {
        assert_eq!(
            &DynamicMessage::decode(of.clone(), bytes.as_slice()).unwrap(),
            message,
            "{name}: nothing is lost"
        );
    }
}

fn packages(pool: &DescriptorPool) -> BTreeSet<String> {
    let ours = |message: &MessageDescriptor| matches!(message.package_name(), "cluster" | "worker");
    pool.all_messages().filter(ours).map(|message| message.full_name().to_owned()).collect()
}

#[test]
fn every_message_goes_there_and_back() {
    let theirs = sources::theirs();
    let checks = each_message! {
        cluster "SetClusterComponentInfoRequest" SetClusterComponentInfoRequest;
        cluster "ClusterComponentManifest" ClusterComponentManifest;
        cluster "ProofRequestCreateRequest" ProofRequestCreateRequest;
        cluster "ProofRequestCancelRequest" ProofRequestCancelRequest;
        cluster "ProofRequest" ProofRequest;
        cluster "ProofRequestListRequest" ProofRequestListRequest;
        cluster "ProofRequestListResponse" ProofRequestListResponse;
        cluster "ExecutionResult" ExecutionResult;
        cluster "ProofRequestGetRequest" ProofRequestGetRequest;
        cluster "ProofRequestGetResponse" ProofRequestGetResponse;
        cluster "ProofRequestUpdateRequest" ProofRequestUpdateRequest;
        worker "TaskData" TaskData;
        worker "OpenRequest" OpenRequest;
        worker "ServerMessage" ServerMessage;
        worker "WorkerTask" WorkerTask;
        worker "CancelTask" CancelTask;
        worker "ServerHeartbeat" ServerHeartbeat;
        worker "CloseRequest" CloseRequest;
        worker "HeartbeatRequest" HeartbeatRequest;
        worker "CompleteTaskRequest" CompleteTaskRequest;
        worker "FailTaskRequest" FailTaskRequest;
        worker "CreateTaskRequest" CreateTaskRequest;
        worker "CreateTaskResponse" CreateTaskResponse;
        worker "GetTaskStatusesRequest" GetTaskStatusesRequest;
        worker "GetTaskStatusesResponse" GetTaskStatusesResponse;
        worker "TaskStatusMapEntry" TaskStatusMapEntry;
        worker "TaskIDList" TaskIdList;
        worker "CompleteProofRequest" CompleteProofRequest;
        worker "FailProofRequest" FailProofRequest;
        worker "CreateProofRequest" CreateProofRequest;
        worker "CreateProofResponse" CreateProofResponse;
        worker "CreateDummyProofRequest" CreateDummyProofRequest;
        worker "CancelProofRequest" CancelProofRequest;
        worker "OpenSubRequest" OpenSubRequest;
        worker "ServerSubMessage" ServerSubMessage;
        worker "TaskResult" TaskResult;
        worker "EndOfStream" EndOfStream;
        worker "UnknownTask" UnknownTask;
        worker "ServerSubHeartbeat" ServerSubHeartbeat;
        worker "UpdateSubRequest" UpdateSubRequest;
        worker "AckSubRequest" AckSubRequest;
        worker "GetStatsResponse" GetStatsResponse;
        worker "ClusterComponentInfo" ClusterComponentInfo;
        worker "ClusterCapacitySnapshot" ClusterCapacitySnapshot;
        worker "GpuClassCount" GpuClassCount;
        worker "SubscribeTaskMessagesRequest" SubscribeTaskMessagesRequest;
        worker "SendTaskMessageRequest" SendTaskMessageRequest;
        worker "MessageStreamResponse" MessageStreamResponse;
    };
    let covered: BTreeSet<_> = checks.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(covered, packages(&theirs), "every message of the SP1 cluster is in the list above");
    let mut dice = Dice(20);
    for (name, check) in checks {
        let of = theirs.get_message_by_name(name).unwrap();
        check(&DynamicMessage::new(of.clone()));
        for round in 0..20 {
            check(&dice.message(&of, round));
        }
    }
}

#[test]
fn services_have_the_same_names() {
    assert_eq!(
        proofmill_wire::cluster::cluster_service_server::SERVICE_NAME,
        sp1_prover_types::cluster::cluster_service_server::SERVICE_NAME
    );
    assert_eq!(
        proofmill_wire::worker::worker_service_server::SERVICE_NAME,
        sp1_prover_types::worker::worker_service_server::SERVICE_NAME
    );
}
