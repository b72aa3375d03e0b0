//! JSON in the forms that clients write: names in any case, numbers as hexadecimal or decimal text or as JSON numbers,
//! `null` for what is not there, byte strings with and without `0x`.
//!
//! Nothing here is recursive, and what is built is in proportion to the text (40 times at the most, where it is a list of
//! nothing but empty items): values stay text until they are asked for.

use alloy_primitives::{Bytes, FixedBytes, U256, hex};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// The most decimal digits of a 256-bit number.
const DIGITS: usize = 78;

/// An object's members, in their order.
#[derive(Debug)]
pub(crate) struct Entries<'a>(pub(crate) Vec<(String, &'a RawValue)>);

/// An object's members by their names in lower case. `null` counts as absent.
#[derive(Debug, Default)]
pub(crate) struct Object<'a>(BTreeMap<String, Member<'a>>);

#[derive(Debug)]
struct Member<'a> {
    /// Its name, where that is not in lower case.
    spelled: Option<String>,
    value: &'a RawValue,
}

impl<'a> Entries<'a> {
    pub(crate) fn read(text: &'a str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }
}

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry::<String, &'de RawValue>()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = Entries::deserialize(deserializer)?;
        let mut members = BTreeMap::<String, Member<'_>>::new();
        for (name, value) in entries.0.into_iter().filter(|(_, value)| value.get() != "null") {
            let lower = name.to_ascii_lowercase();
            let spelled = (lower != name).then_some(name);
            if let Some(other) = members.insert(lower.clone(), Member { spelled, value })
                && other.value.get() != value.get()
            {
                return Err(de::Error::custom(format_args!(
                    "`{lower}` is there twice, with different values"
                )));
            }
        }
        Ok(Self(members))
    }
}

impl<'a> Object<'a> {
    /// Reads an object.
    pub(crate) fn read(text: &'a str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// The member with this name, in lower case.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).map(|member| member.value)
    }

    /// The first of these that is there.
    pub(crate) fn any(&self, names: &[&str]) -> Option<&'a RawValue> {
        names.iter().find_map(|name| self.get(name))
    }

    /// What a member says, where it is there.
    pub(crate) fn optional<T>(
        &self,
        names: &[&str],
        read: impl FnOnce(&'a RawValue) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        self.any(names)
            .map(|value| read(value).map_err(|error| format!("`{}`: {error}", names[0])))
            .transpose()
    }

    /// What a member says that must be there.
    pub(crate) fn required<T>(
        &self,
        names: &[&str],
        read: impl FnOnce(&'a RawValue) -> Result<T, String>,
    ) -> Result<T, String> {
        self.optional(names, read)?.ok_or_else(|| format!("`{}` is missing", names[0]))
    }

    /// All members that are there.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, member)| (name.as_str(), member.value))
    }

    /// How a member's name, which is given in lower case, is written.
    pub(crate) fn spelled<'b>(&'b self, name: &'b str) -> &'b str {
        self.0.get(name).and_then(|member| member.spelled.as_deref()).unwrap_or(name)
    }
}

/// A JSON string.
pub(crate) fn text(raw: &RawValue) -> Result<Cow<'_, str>, String> {
    serde_json::from_str(raw.get()).map_err(|_| format!("{} is not a text", shown(raw.get())))
}

/// The items of a list.
pub(crate) fn list(raw: &RawValue) -> Result<Vec<&RawValue>, String> {
    serde_json::from_str(raw.get()).map_err(|_| format!("{} is not a list", shown(raw.get())))
}

/// A whole number from 0 on, below 2^256.
pub(crate) fn whole(raw: &RawValue) -> Result<U256, String> {
    let written = raw.get();
    if !written.starts_with('"') {
        return decimal(written).ok_or_else(|| not_a_number(written));
    }
    let written = text(raw)?;
    let digits = written.trim();
    match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        // `0x` alone is how some write nothing.
        Some(digits) => {
            let digits = digits.trim_start_matches('0');
            if digits.is_empty() { Some(U256::ZERO) } else { radix(digits, 16, 64) }
        }
        None => decimal(digits),
    }
    .ok_or_else(|| not_a_number(&written))
}

/// A whole number that fits a smaller type.
pub(crate) fn number<T: TryFrom<U256>>(raw: &RawValue) -> Result<T, String> {
    T::try_from(whole(raw)?).map_err(|_| format!("{} is too large", shown(raw.get())))
}

fn radix(digits: &str, radix: u64, most: usize) -> Option<U256> {
    if digits.is_empty() || digits.len() > most || !digits.bytes().all(|digit| digit.is_ascii_alphanumeric())
    {
        return None;
    }
    U256::from_str_radix(digits, radix).ok()
}

/// Decimal digits, also with a fraction or an exponent where what comes out is whole: that is how some tools write
/// large numbers.
fn decimal(written: &str) -> Option<U256> {
    let (mantissa, exponent) = match written.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (written, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty() || whole.len() + fraction.len() > 4 * DIGITS {
        return None;
    }
    let shift = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return whole.bytes().all(|digit| digit == b'0').then_some(U256::ZERO);
    }
    let digits = match usize::try_from(shift) {
        Ok(zeros) if digits.len() + zeros <= DIGITS => format!("{digits}{}", "0".repeat(zeros)),
        Ok(_) => return None,
        Err(_) => {
            let cut = usize::try_from(shift.unsigned_abs()).ok()?;
            let (kept, dropped) = digits.split_at_checked(digits.len().checked_sub(cut)?)?;
            if dropped.bytes().any(|digit| digit != b'0') {
                return None;
            }
            kept.to_owned()
        }
    };
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    radix(&digits, 10, DIGITS)
}

/// Bytes in hexadecimal, with or without `0x`; none for an empty text.
pub(crate) fn bytes(raw: &RawValue) -> Result<Bytes, String> {
    let written = text(raw)?;
    hex::decode(unmarked(&written)).map(Bytes::from).map_err(|error| format!("{}: {error}", shown(raw.get())))
}

/// Exactly so many bytes in hexadecimal.
pub(crate) fn fixed<const N: usize>(raw: &RawValue) -> Result<FixedBytes<N>, String> {
    let bytes = bytes(raw)?;
    FixedBytes::try_from(bytes.as_ref())
        .map_err(|_| format!("{} has {} bytes, not {N}", shown(raw.get()), bytes.len()))
}

/// At most so many bytes in hexadecimal, filled up from the left; also an odd number of digits.
pub(crate) fn padded<const N: usize>(raw: &RawValue) -> Result<FixedBytes<N>, String> {
    let written = text(raw)?;
    let digits = unmarked(&written).trim_start_matches('0');
    if digits.len() > 2 * N {
        return Err(format!("{} has more than {N} bytes", shown(raw.get())));
    }
    let bytes = hex::decode(format!("{digits:0>width$}", width = 2 * N))
        .map_err(|error| format!("{}: {error}", shown(raw.get())))?;
    FixedBytes::try_from(bytes.as_slice()).map_err(|error| format!("{}: {error}", shown(raw.get())))
}

/// Hexadecimal digits without what marks them.
fn unmarked(written: &str) -> &str {
    let digits = written.trim();
    digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).unwrap_or(digits)
}

fn not_a_number(written: &str) -> String {
    format!("{} is not a whole number below 2^256", shown(written))
}

/// The beginning of a text, for an error.
pub(crate) fn shown(written: &str) -> String {
    const MOST: usize = 80;
    match written.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &written[..end]),
        None => written.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbers_in_every_form_are_read() {
        let billion = U256::from(1_000_000_000u64);
        for form in
            ["1000000000", "\"1000000000\"", "\"0x3b9aca00\"", "\"0X003B9ACA00\"", "1e9", "1.0E+9", "100e7"]
        {
            assert_eq!(whole(&raw(form)).unwrap(), billion, "{form}");
        }
        for form in ["0", "\"0\"", "\"0x\"", "\"0x0\"", "\"0x00\"", "0.0", "0e5"] {
            assert_eq!(whole(&raw(form)).unwrap(), U256::ZERO, "{form}");
        }
        let mainnet: U256 = "58750000000000000000000".parse().unwrap();
        for form in [
            "58750000000000000000000",
            "\"58750000000000000000000\"",
            "5.875e+22",
            "5.875e22",
            "\"0xc70d808a128d7380000\"",
        ] {
            assert_eq!(whole(&raw(form)).unwrap(), mainnet, "{form}");
        }
        let most = format!("\"{}\"", U256::MAX);
        assert_eq!(whole(&raw(&most)).unwrap(), U256::MAX);
        for form in [
            "-1",
            "\"-1\"",
            "1.5",
            "1e-1",
            "\"\"",
            "\"0xg\"",
            "\"1_000\"",
            "true",
            "[]",
            "{}",
            "1e100",
            "1e2147483647",
            "1e99999999999",
            "\"0x1_0\"",
            "\"+1\"",
        ] {
            assert!(whole(&raw(form)).is_err(), "{form}");
        }
        assert!(whole(&raw(&format!("\"0x1{}\"", "0".repeat(64)))).is_err());
        assert!(whole(&raw(&"9".repeat(1_000_000))).is_err());
        assert_eq!(number::<u64>(&raw("\"0x5\"")).unwrap(), 5);
        assert!(number::<u64>(&raw("18446744073709551616")).is_err());
    }

    #[test]
    fn names_are_found_in_any_case_and_null_is_absent() {
        let text = r#"{"ChainID": 5, "chainid": 5, "state": null}"#;
        let object = Object::read(text).unwrap();
        assert_eq!(object.required(&["chainid"], number::<u64>), Ok(5));
        assert!(object.get("state").is_none());
        assert!(Object::read(r#"{"a": 1, "A": 2}"#).unwrap_err().contains("twice"));
        assert_eq!(object.required(&["x"], number::<u64>).unwrap_err(), "`x` is missing");
    }

    #[test]
    fn bytes_are_read_with_and_without_their_mark() {
        for form in ["\"0x0a0B\"", "\"0a0b\"", "\"0X0A0B\""] {
            assert_eq!(bytes(&raw(form)).unwrap().as_ref(), [10, 11], "{form}");
        }
        assert!(bytes(&raw("\"\"")).unwrap().is_empty() && bytes(&raw("\"0x\"")).unwrap().is_empty());
        assert!(bytes(&raw("\"0x1\"")).is_err() && bytes(&raw("5")).is_err());
        assert_eq!(padded::<2>(&raw("\"0x1\"")).unwrap(), FixedBytes([0, 1]));
        assert_eq!(padded::<2>(&raw("\"0xabc\"")).unwrap(), FixedBytes([10, 0xbc]));
        assert!(padded::<2>(&raw("\"0x10000\"")).is_err());
    }
}
