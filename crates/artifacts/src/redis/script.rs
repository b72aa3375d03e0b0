//! What a server does in one step.

/// Gives pieces their name: KEYS are where they are, the blob's hash and its string; ARGV the number of pieces, the seconds
/// until it expires (0: never) and the field for the number. 0 where not all of the pieces are there.
pub(super) const NAME: &str = r"
if redis.call('HLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[3], ARGV[1])
redis.call('UNLINK', KEYS[2], KEYS[3])
redis.call('RENAME', KEYS[1], KEYS[2])
if ARGV[2] == '0' then
  redis.call('PERSIST', KEYS[2])
else
  redis.call('EXPIRE', KEYS[2], ARGV[2])
end
return 1
";

/// Keeps KEYS that expire sooner for ARGV[1] seconds. What never expires stays so. In hashes of the SP1 cluster's older clients it is the
/// pieces that expire (`HSETEX`, of Redis 8), and the hash does not.
macro_rules! renew_keys {
    () => {
        r"
for _, key in ipairs(KEYS) do
  local left = redis.call('TTL', key)
  if left >= 0 and left < tonumber(ARGV[1]) then redis.call('EXPIRE', key, ARGV[1]) end
  if left == -1 and string.sub(key, -7) == ':chunks' then
    local fields = redis.pcall('HKEYS', key)
    if not fields.err and #fields > 0 and #fields < 4000 then
      redis.pcall('HEXPIRE', key, ARGV[1], 'GT', 'FIELDS', #fields, unpack(fields))
    end
  end
end
"
    };
}

/// Renews KEYS for ARGV[1] seconds.
pub(super) const RENEW: &str = concat!(renew_keys!(), "return 0");

/// Lets KEYS that would stay for longer expire after ARGV[1] seconds. What never expires stays so.
pub(super) const SHORTEN: &str = r"
for _, key in ipairs(KEYS) do
  if redis.call('TTL', key) > tonumber(ARGV[1]) then redis.call('EXPIRE', key, ARGV[1]) end
end
return 0
";

/// Whether the string KEYS[1] is there, or the hash KEYS[2] with the field ARGV[2], or, where ARGV[3] is 1, any such hash: 1 or 0. Keeps
/// it for ARGV[1] seconds.
pub(super) const LOOK: &str = concat!(
    r"
local there = 0
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then there = 1 end
if ARGV[3] == '1' and redis.call('EXISTS', KEYS[2]) == 1 then there = 1 end
",
    renew_keys!(),
    "return there"
);

/// Puts ARGV[2] into the set KEYS[1], and keeps KEYS for ARGV[1] seconds as [`RENEW`] does.
pub(super) const HOLD: &str = concat!(
    r"
redis.call('SADD', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[1])
",
    renew_keys!(),
    "return 0"
);

/// Takes ARGV[1] out of the set KEYS[1]. With the last member go the string KEYS[2] and the hash KEYS[3]: 1, else 0. In one step, so that
/// nobody joins between.
pub(super) const LET_GO: &str = r"
redis.call('SREM', KEYS[1], ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('UNLINK', KEYS[2], KEYS[3])
return 1
";
