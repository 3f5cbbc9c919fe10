//! What Redis is asked: scripts, so that each call is one step for all who share it, by the server's clock.
//!
//! Whatever a key holds that no script wrote counts as nothing and is written over: a store that was filled by others, or
//! is older than it should be, costs at most a bucket's depth.

use redis::Cmd;

/// KEYS: buckets. ARGV: for each, what to take and the longest backlog, in microseconds. Gives the backlogs.
pub(super) const SPEND: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local backlogs = {}
for i, key in ipairs(KEYS) do
  local cost, most = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local said = redis.pcall('GET', key)
  local due = type(said) == 'string' and tonumber(said) or 0
  if not (due > now) then due = now end
  due = math.min(due + cost, now + most)
  backlogs[i] = due - now
  redis.call('SET', key, string.format('%.0f', due), 'PX', math.ceil(backlogs[i] / 1000) + 1000)
end
return backlogs
";

/// KEYS: where figures are. ARGV: how long they are kept in seconds, how many a minute has, then labels and counts.
pub(super) const ADD: &str = r"
local minute = math.floor(redis.call('TIME')[1] / 60)
local key = KEYS[1] .. ':' .. string.format('%.0f', minute)
local kind = redis.call('TYPE', key).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', key) end
local room = tonumber(ARGV[2]) - redis.call('HLEN', key)
for i = 3, #ARGV, 2 do
  local known = redis.call('HEXISTS', key, ARGV[i]) == 1
  if known or room > 0 then
    if not known then room = room - 1 end
    if type(redis.pcall('HINCRBY', key, ARGV[i], ARGV[i + 1])) == 'table' then
      redis.call('HSET', key, ARGV[i], ARGV[i + 1])
    end
  end
end
redis.call('EXPIRE', key, ARGV[1])
return redis.status_reply('OK')
";

/// KEYS: where figures are. ARGV: of how many minutes. Gives labels and counts, a label more than once.
pub(super) const FIGURES: &str = r"
local minute = math.floor(redis.call('TIME')[1] / 60)
local pairs = {}
for back = 0, tonumber(ARGV[1]) - 1 do
  local said = redis.pcall('HGETALL', KEYS[1] .. ':' .. string.format('%.0f', minute - back))
  if said.err == nil then
    for i = 1, #said, 2 do
      local count = tonumber(said[i + 1])
      if count and count >= 0 then
        pairs[#pairs + 1] = said[i]
        pairs[#pairs + 1] = string.format('%.0f', count)
      end
    end
  end
end
return pairs
";

/// KEYS: messages. ARGV: how long they are kept in seconds, then what tells the bytes of each. Gives for each 0 where it
/// was not known, 1 for the same bytes, 2 for others.
pub(super) const REMEMBER: &str = r"
local known = {}
for i, key in ipairs(KEYS) do
  local said = redis.pcall('GET', key)
  if type(said) == 'string' and #said == 16 then
    known[i] = said == ARGV[i + 1] and 1 or 2
  else
    redis.call('SET', key, ARGV[i + 1], 'EX', ARGV[1])
    known[i] = 0
  end
end
return known
";

/// A script that is to be run; the server knows it by its text after the first time.
pub(super) fn eval(script: &str) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(script);
    command
}
