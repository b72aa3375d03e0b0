//! Messages as they are read. A part of a list has two bytes on the wire at the least, and takes up to a hundred in memory: a message of
//! more parts than there is use for is refused before it is decoded.

use crate::{cluster::SetClusterComponentInfoRequest, worker::CreateTaskRequest};
use prost::{
    Message,
    bytes::Buf,
    encoding::{WireType, decode_key, decode_varint},
};
use std::{any::TypeId, marker::PhantomData};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder},
};
use tonic_prost::{ProstDecoder, ProstEncoder};

/// The most parts of a message that cluster, workers and clients take from each other: four times as many tasks as a proof has. Each
/// part of a list is one, and so is everything else that a message says.
pub const MAX_PARTS: usize = 1 << 18;

/// Protobuf with parts that are counted.
pub(crate) struct Counted<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Counted<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for Counted<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = Counting<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        Counting(ProstDecoder::default())
    }
}

pub(crate) struct Counting<U>(ProstDecoder<U>);

impl<U: Message + Default + 'static> Decoder for Counting<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        check::<U>(message.chunk())?;
        self.0.decode(message)
    }
}

/// Refuses a message of too many parts.
fn check<U: 'static>(message: &[u8]) -> Result<(), Status> {
    match count(message, parts_with_lists::<U>()) {
        0..=MAX_PARTS => Ok(()),
        _ => Err(Status::invalid_argument(format!(
            "the message has more than {MAX_PARTS} parts: name less in one message"
        ))),
    }
}

/// By their numbers, the parts of a request that have lists of their own.
fn parts_with_lists<U: 'static>() -> &'static [u32] {
    let message = TypeId::of::<U>();
    if message == TypeId::of::<CreateTaskRequest>()
        || message == TypeId::of::<SetClusterComponentInfoRequest>()
    {
        return &[2];
    }
    &[]
}

/// How many parts a message has, with those of its parts that have lists. More than may be are not counted.
fn count(mut message: &[u8], with_lists: &[u32]) -> usize {
    let mut parts = 0;
    while parts <= MAX_PARTS
        && let Some((number, part)) = next(&mut message)
    {
        parts += 1;
        if with_lists.contains(&number) {
            parts += count(part, &[]);
        }
    }
    parts
}

/// The next part, by its number, and its bytes where it says how many they are. Nothing at the end, and where the decoder reads no further
/// either.
fn next<'a>(message: &mut &'a [u8]) -> Option<(u32, &'a [u8])> {
    let (number, form) = decode_key(message).ok()?;
    let length = match form {
        WireType::Varint => decode_varint(message).map(|_| 0).ok()?,
        WireType::SixtyFourBit => 8,
        WireType::ThirtyTwoBit => 4,
        WireType::LengthDelimited => usize::try_from(decode_varint(message).ok()?).ok()?,
        // What is between them counts, too.
        WireType::StartGroup | WireType::EndGroup => 0,
    };
    let (part, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some((number, part))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::worker::{GetTaskStatusesRequest, HeartbeatRequest, SendTaskMessageRequest, TaskData};

    fn refused<U: Message + 'static>(message: &U) -> bool {
        let checked = check::<U>(&message.encode_to_vec());
        checked
            .inspect_err(|status| assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status}"))
            .is_err()
    }

    fn asking(ids: usize) -> GetTaskStatusesRequest {
        GetTaskStatusesRequest { task_ids: vec![String::new(); ids], ..Default::default() }
    }

    #[test]
    fn a_message_of_more_parts_than_may_be_is_refused_before_it_is_decoded() {
        assert!(!refused(&asking(0)) && !refused(&asking(MAX_PARTS)));
        assert!(refused(&asking(MAX_PARTS + 1)));
        let half = vec![String::new(); MAX_PARTS / 2];
        let beat = |more: usize| HeartbeatRequest {
            active_task_proof_ids: half.clone(),
            active_task_ids: vec![String::new(); MAX_PARTS / 2 + more],
            ..Default::default()
        };
        assert!(!refused(&beat(0)) && refused(&beat(1)));
    }

    #[test]
    fn what_is_named_within_a_part_counts() {
        let task = |outputs: usize| {
            let (inputs, outputs) = (vec![String::new(); MAX_PARTS / 2], vec![String::new(); outputs]);
            CreateTaskRequest {
                worker_id: String::new(),
                data: Some(TaskData { inputs, outputs, ..Default::default() }),
            }
        };
        assert!(!refused(&task(MAX_PARTS / 4)) && refused(&task(MAX_PARTS / 2)));
        // The same part may come more than once: they are one then.
        let twice = [task(MAX_PARTS / 4).encode_to_vec(), task(MAX_PARTS / 4).encode_to_vec()].concat();
        let both = CreateTaskRequest::decode(twice.as_slice()).unwrap().data.unwrap();
        assert_eq!(both.inputs.len(), MAX_PARTS);
        assert!(check::<CreateTaskRequest>(&twice).is_err());
    }

    #[test]
    fn bytes_that_look_like_a_list_are_one_part() {
        let payload = asking(2 * MAX_PARTS).encode_to_vec();
        assert!(!refused(&SendTaskMessageRequest { payload, ..Default::default() }));
    }

    /// Parts that the decoder passes over hide none that it takes.
    #[test]
    fn nothing_stands_before_a_list_that_hides_it() {
        let list = asking(MAX_PARTS + 1).encode_to_vec();
        // Of the numbers 100 to 102: a group with a number in it, eight bytes, four bytes.
        let [group, eight, four]: [&[u8]; 3] =
            [&[0xa3, 6, 0x08, 7, 0xa4, 6], &[0xa9, 6, 1, 2, 3, 4, 5, 6, 7, 8], &[0xb5, 6, 1, 2, 3, 4]];
        for before in [group, eight, four] {
            let message = [before, list.as_slice()].concat();
            let decoded = GetTaskStatusesRequest::decode(message.as_slice()).unwrap();
            assert_eq!(decoded.task_ids.len(), MAX_PARTS + 1);
            assert!(check::<GetTaskStatusesRequest>(&message).is_err());
        }
        // What is cut off in the middle is the decoder's to refuse.
        assert!(check::<GetTaskStatusesRequest>(&list[..MAX_PARTS - 1]).is_ok());
        assert!(check::<GetTaskStatusesRequest>(&[0x1a, 0xff]).is_ok());
    }
}
