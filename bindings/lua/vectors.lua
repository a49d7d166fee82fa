-- Answers the calls of the tests, line by line: every language runs the same vectors through its wrapper.
-- A request:  CLOCK_MS  ANSWERS  CALL  ARGUMENTS...    An answer:  RESULT  REPLY  MESSAGE...    Parted by tabs.

package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local otp = require('otp')

local ESCAPES = {['\\'] = '\\\\', ['\t'] = '\\t', ['\n'] = '\\n', ['\r'] = '\\r'}
local ESCAPED = {}
for char, pair in pairs(ESCAPES) do ESCAPED[pair] = char end
local CALLS = {
  create = true, resend = true, verify = true, cancel = true, status = true, webhook = true, report = true,
  run_due = true, metrics = true, unlock = true, erase = true, close = true,
}

local service, clock
local answers, messages = {}, {}

local function escape(part) return (part:gsub('[\\\t\n\r]', ESCAPES)) end

local function unescape(part)
  if part ~= '\\0' then return (part:gsub('\\.', ESCAPED)) end
end

local function send(message)
  messages[#messages + 1] = escape(message.json)
  return table.remove(answers, 1) or otp.SENT
end

local function open(config, sender)
  if service then service:close() end
  service = nil
  service = otp.open(config, {send = sender and send, clock = function() return clock end})
  return service.opened
end

-- The reply of a call, also that of an error; nil of close.
local function reply_to(call, ...)
  if call ~= 'open' and not (CALLS[call] and service) then error('no such call, or no service for it: ' .. call) end
  local is_done, reply
  if call == 'open' then
    is_done, reply = pcall(open, ...)
  else
    is_done, reply = pcall(service[call], service, ...)
  end
  if is_done then return reply end
  if type(reply) ~= 'table' or not reply.reply then error(reply, 0) end
  return reply.reply
end

local function answer(line)
  local parts, count = {}, 0
  for part in (line .. '\t'):gmatch('([^\t]*)\t') do
    count = count + 1
    parts[count] = count > 3 and unescape(part) or count <= 3 and part or nil
  end
  clock, answers, messages = assert(tonumber(parts[1])), {}, {}
  for number in parts[2]:gmatch('%S+') do answers[#answers + 1] = tonumber(number) end
  local reply = reply_to(parts[3], unpack(parts, 4, count))
  return table.concat({reply and reply.result or 0, escape(reply and reply.json or ''), unpack(messages)}, '\t')
end

-- Byte by byte: io.lines() loses what follows a NUL, and the tests have some.
local function read_line()
  local bytes = {}
  for byte in function() return io.read(1) end do
    if byte == '\n' then return table.concat(bytes) end
    bytes[#bytes + 1] = byte
  end
end

local is_done, message = pcall(function()
  for line in read_line do
    io.write(answer(line), '\n')
    io.flush()
  end
  if service then service:close() end
end)
if not is_done then
  io.stderr:write(tostring(message), '\n')
  os.exit(1)
end
