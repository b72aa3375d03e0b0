//! Answers that are almost right: a field is absent, null, huge, of another type, or the text ends too early.

use crate::{Action, mood::next};
use serde_json::{Value, json};

impl Action {
    /// The node's answer with one thing wrong in it, by this number.
    pub fn mangled(mut seed: u64) -> Self {
        Self::rewrite(move |text| {
            let how = next(&mut seed);
            if how.is_multiple_of(8) {
                let end = next(&mut seed) as usize % (text.len() + 1);
                return text.as_bytes()[..end].to_vec();
            }
            let Ok(mut answer) = serde_json::from_str::<Value>(&text) else { return text.into_bytes() };
            mangle(&mut answer, &mut seed);
            answer.to_string().into_bytes()
        })
    }
}

/// Goes down to somewhere, and puts something else there.
fn mangle(value: &mut Value, seed: &mut u64) {
    let pick = next(seed) as usize;
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let name = fields.keys().nth(pick % fields.len()).cloned().unwrap_or_default();
            if next(seed).is_multiple_of(6) {
                fields.remove(&name);
            } else if let Some(field) = fields.get_mut(&name) {
                mangle(field, seed);
            }
        }
        Value::Array(items) if !items.is_empty() && !pick.is_multiple_of(5) => {
            let at = pick % items.len();
            mangle(&mut items[at], seed);
        }
        other => *other = something(other, seed),
    }
}

fn something(before: &Value, seed: &mut u64) -> Value {
    match next(seed) % 12 {
        0 => Value::Null,
        1 => json!("0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
        2 => json!("0xffffffffffffffff"),
        3 => json!(-1),
        4 => json!(1e300),
        5 => json!({ "a": before }),
        6 => json!([before, before]),
        7 => json!(""),
        8 => json!("0x"),
        9 => json!(true),
        10 => json!("0xzz"),
        _ => json!("f".repeat(100_000)),
    }
}
