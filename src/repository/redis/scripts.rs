//! What runs in the server, each script at one moment. Every key that a script touches is declared, and all of them lie
//! in one slot. Nothing is written before all that can fail has been read.

/// The time and some values: the mark first.
pub const LOOK: &str = "return {redis.call('TIME'), redis.call('MGET', unpack(KEYS))}";

/// Does changes whose conditions hold. KEYS: the mark, the index, and rows. ARGV: the mark that must be there, and for
/// each change: the mark from then on (none leaves it); how many conditions, each with the number of its key and the
/// version; how many writes, each with the number of its key, its name in the index, its value (none removes it), and for how long
/// it is kept. Gives 1 for each that was done, 0 for one that was not, 2 where the mark is another.
pub const COMMIT: &str = "
local is_ours = (redis.call('GET', KEYS[1]) or '') == ARGV[1]
local verdicts, at = {}, 2
local function take() at = at + 1 return ARGV[at - 1] end
while at <= #ARGV do
  local holds, mark = is_ours, take()
  for _ = 1, tonumber(take()) do
    local key, version = KEYS[tonumber(take())], take()
    holds = holds and redis.call('GETRANGE', key, 0, 15) == version
  end
  for _ = 1, tonumber(take()) do
    local key, name, value, kept = KEYS[tonumber(take())], take(), take(), take()
    if not holds then
    elseif value == '' then
      redis.call('ZREM', KEYS[2], name)
      redis.call('DEL', key)
    else
      redis.call('ZADD', KEYS[2], 0, name)
      if kept == '' then redis.call('SET', key, value) else redis.call('SET', key, value, 'PX', kept) end
    end
  end
  if holds and mark ~= '' then redis.call('SET', KEYS[1], mark) end
  verdicts[#verdicts + 1] = holds and 1 or is_ours and 0 or 2
end
return verdicts";

/// Enters a tenant. KEYS: the mark of the repository, its tenants. ARGV: the mark that must be there, the tenant. Gives
/// whether the tenant's copy of the mark is to be made.
pub const ENTER: &str = "
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('HSETNX', KEYS[2], ARGV[2], 'new')
return redis.call('HGET', KEYS[2], ARGV[2]) == 'new' and 1 or 0";

/// Removes names from the index whose rows have expired. KEYS: the index, and rows. ARGV: their names.
pub const TIDY: &str = "
for at = 2, #KEYS do
  if redis.call('EXISTS', KEYS[at]) == 0 then redis.call('ZREM', KEYS[1], ARGV[at - 1]) end
end
return 1";

/// Gives a lease back. KEYS: the lease. ARGV: its owner.
pub const END_LEASE: &str = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0";
