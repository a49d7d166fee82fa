//! What runs in the server, each script at one moment. Every key that a script touches is declared, and all of them lie
//! in one slot. Nothing is written before all that can fail has been read. What commands are given are strings: a number
//! would be formatted anew for each.

use redis::Script;

/// A script, and the name by which a server knows it that has run it.
pub struct Text {
    pub text: &'static str,
    pub hash: String,
}

impl Text {
    fn new(text: &'static str) -> Self {
        Self { text, hash: Script::new(text).get_hash().to_owned() }
    }
}

/// All scripts.
pub struct Scripts {
    pub look: Text,
    pub commit: Text,
    pub enter: Text,
    pub tidy: Text,
    pub end_lease: Text,
}

impl Scripts {
    pub fn new() -> Self {
        let [look, commit, enter, tidy, end_lease] = [LOOK, COMMIT, ENTER, TIDY, END_LEASE].map(Text::new);
        Self { look, commit, enter, tidy, end_lease }
    }
}

/// The time and some values: the mark first.
const LOOK: &str = "return {redis.call('TIME'), redis.call('MGET', unpack(KEYS))}";

/// Does changes whose conditions hold. KEYS: the mark, the index, and rows. ARGV: the mark that must be there, and for
/// each change: the mark from then on (none leaves it); how many conditions, each with the number of its key and the
/// version; how many writes, each with the number of its key, its name in the index (none where it is there), its value
/// (none removes it), and for how long it is kept. Gives 1 for each that was done, 0 for one that was not, 2 where the
/// mark is another. What is too short to have a version is none of ours, and has one of all ones.
const COMMIT: &str = "
local is_ours = (redis.call('GET', KEYS[1]) or '') == ARGV[1]
local verdicts, at = {}, 2
local function take() at = at + 1 return ARGV[at - 1] end
while at <= #ARGV do
  local holds, mark = is_ours, take()
  for _ = 1, tonumber(take()) do
    local key, version = KEYS[tonumber(take())], take()
    local found = redis.call('GETRANGE', key, '0', '15')
    if #found > 0 and #found < 16 then found = string.rep('\\255', 16) end
    holds = holds and found == version
  end
  for _ = 1, tonumber(take()) do
    local key, name, value, kept = KEYS[tonumber(take())], take(), take(), take()
    if not holds then
    elseif value == '' then
      redis.call('ZREM', KEYS[2], name)
      redis.call('DEL', key)
    else
      if name ~= '' then redis.call('ZADD', KEYS[2], '0', name) end
      if kept == '' then redis.call('SET', key, value) else redis.call('SET', key, value, 'PX', kept) end
    end
  end
  if holds and mark ~= '' then redis.call('SET', KEYS[1], mark) end
  verdicts[#verdicts + 1] = holds and 1 or is_ours and 0 or 2
end
return verdicts";

/// Enters a tenant. KEYS: the mark of the repository, its tenants. ARGV: the mark that must be there, the tenant. Gives
/// whether the tenant's copy of the mark is to be made.
const ENTER: &str = "
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('HSETNX', KEYS[2], ARGV[2], 'new')
return redis.call('HGET', KEYS[2], ARGV[2]) == 'new' and 1 or 0";

/// Removes names from the index whose rows have expired. KEYS: the index, and rows. ARGV: their names.
const TIDY: &str = "
for at = 2, #KEYS do
  if redis.call('EXISTS', KEYS[at]) == 0 then redis.call('ZREM', KEYS[1], ARGV[at - 1]) end
end
return 1";

/// Gives a lease back. KEYS: the lease. ARGV: its owner.
const END_LEASE: &str = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0";
