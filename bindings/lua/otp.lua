--- One-time passwords inside your own process: create a short code, have it delivered, verify it exactly once.
--
-- This calls libotp.so.0, or the library that the environment variable LIBOTP_LIBRARY names, through LuaJIT's ffi. The
-- options of a configuration, the members of requests and replies, and the results of each call are those of otp.h.
--
--     local otp = require('otp')
--     local service = otp.open({repository = 'sqlite:otp.db'})
--     service:create('session 1', {phoneNumber = '+39 333 123 4567'})
--     if service:verify('session 1', io.read()).is_ok then print('Welcome') end
--
-- @module otp

local ffi = require('ffi')
local jit = require('jit')

local REPLY_SIZE = 4096
local ABI_VERSION = 0

local otp = {
  -- What a call came to. OK is the only yes; a positive number is a refusal, a negative one a failure.
  OK = 0, NOT_VALID = 1, CHECKED = 2, EXPIRED = 3, LOCKED = 4, RATE_LIMITED = 5, CANCELLED = 6, REFUSED = 7,
  UNKNOWN = 8, E_ARGUMENT = -1, E_CONFIG = -2, E_STORE = -3, E_BUSY = -4, E_SEND = -5, E_IN_DOUBT = -6,
  E_SIGNATURE = -7, E_UNSIGNED = -8, E_RANDOM = -9, E_UNSUPPORTED = -10, E_INTERNAL = -11,
  -- What a send callback returns: sent; certainly not sent, so that the next step of the workflow is tried.
  SENT = 1, NOT_SENT = 2,
  LOG_ERROR = 1, LOG_WARNING = 2, LOG_INFO = 3, LOG_DEBUG = 4,
}

-- The types of the callbacks, and the parameters of each function. Handles and user_data are numbers to us.
local SEND = 'int32_t (*)(intptr_t, const char *)'
local LOG = 'void (*)(intptr_t, int32_t, const char *)'
local CLOCK = 'int64_t (*)(intptr_t)'
local FUNCTIONS = {
  abi_version = 'uint32_t ()',
  open = 'int32_t (const char *config, intptr_t *service, char *reply, size_t)',
  close = 'void (intptr_t)',
  create = 'int32_t (intptr_t, const char *token, const char *request, char *reply, size_t)',
  resend = 'int32_t (intptr_t, const char *token, char *reply, size_t)',
  resend_channel = 'int32_t (intptr_t, const char *token, const char *channel, char *reply, size_t)',
  not_sent = 'int32_t (intptr_t, const char *token, char *reply, size_t)',
  verify_context = 'int32_t (intptr_t, const char *token, const char *code, const char *context, char *reply, size_t)',
  cancel = 'int32_t (intptr_t, const char *token, char *reply, size_t)',
  status = 'int32_t (intptr_t, const char *token, char *reply, size_t)',
  webhook = 'int32_t (intptr_t, const char *authorization, const char *body, size_t, char *reply, size_t)',
  report = 'int32_t (intptr_t, const char *report, char *reply, size_t)',
  run_due = 'int32_t (intptr_t, char *reply, size_t)',
  metrics = 'int32_t (intptr_t, char *reply, size_t)',
  copy = 'int32_t (intptr_t, const char *repository, const char *options, char *reply, size_t)',
  subject = 'int32_t (intptr_t, const char *subject, char *reply, size_t)',
  unlock = 'int32_t (intptr_t, const char *subject, char *reply, size_t)',
  erase = 'int32_t (intptr_t, const char *recipient, char *reply, size_t)',
  on_send = 'int32_t (intptr_t, void *send, intptr_t user_data, void *drop)',
  on_log = 'int32_t (intptr_t, int32_t max_level, void *log, intptr_t user_data, void *drop)',
  on_clock = 'int32_t (intptr_t, void *clock, intptr_t user_data, void *drop)',
  result_name = 'const char *(int32_t)',
  result_message = 'const char *(int32_t)',
  result_http_status = 'int32_t (int32_t)',
  reply_integer = 'int64_t (const char *reply, const char *field, int64_t otherwise)',
  reply_text = 'size_t (const char *reply, const char *field, char *text, size_t)',
}

local path = os.getenv('LIBOTP_LIBRARY')
local library = ffi.load(path and path ~= '' and path or 'libotp.so.0')
local lib = {}
for name, signature in pairs(FUNCTIONS) do
  -- Under names of our own: the program may have declared those of the header, in its way.
  ffi.cdef((signature:gsub('%(', 'otp_lua_' .. name .. '(', 1) .. ' __asm__("otp_' .. name .. '");'))
  lib[name] = library['otp_lua_' .. name]
end
if lib.abi_version() ~= ABI_VERSION then error('libotp has another interface than otp.lua') end

--- The name of a result, such as "OTP_NOT_VALID", for logs.
function otp.result_name(result) return ffi.string(lib.result_name(result)) end

--- One sentence about a result; of a refusal the one to show the user.
function otp.result_message(result) return ffi.string(lib.result_message(result)) end

--- The HTTP status with which a web service answers a result: 200 for OK alone.
function otp.http_status(result) return lib.result_http_status(result) end

--- A message for the send callback, whose fields are read by text() and integer(). It holds the code: keep it out of
-- logs.
-- @field json the JSON text as the library wrote it
local Message = {}
Message.__index = Message

--- A member as text; '' if it is absent. Dots lead into objects and arrays, whose items count from 0:
-- reply:text('delivery.steps.1.status'). Booleans are 'true' and 'false'.
function Message:text(field)
  local size = tonumber(lib.reply_text(self.json, field, nil, 0))
  local text = ffi.new('char[?]', size + 1)
  lib.reply_text(self.json, field, text, size + 1)
  return ffi.string(text, size)
end

--- A member that is a whole number; `otherwise`, or nil, if there is no such number. True is 1, and false is 0.
function Message:integer(field, otherwise)
  local value = lib.reply_integer(self.json, field, 0)
  if value == 0 and lib.reply_integer(self.json, field, 1) == 1 then return otherwise end
  return tonumber(value)
end

--- The answer to a call: OK, or a refusal to show the user. Its members are read as those of a message.
--
-- The table itself is true whatever the answer: ask is_ok. Never write `if service:verify(...) then`.
-- @field is_ok whether the answer is yes: of verify, let the user in
-- @field result the number of the result
-- @field name the name of the result, such as "OTP_NOT_VALID"
-- @field message what to tell the user, or of a failure the log
-- @field json the JSON text as the library wrote it; '' if it never came to that
local Reply = setmetatable({}, {__index = Message})
Reply.__index = Reply

local function new_reply(result, json)
  local reply = setmetatable({is_ok = result == otp.OK, result = result, json = json}, Reply)
  reply.name = otp.result_name(result)
  reply.message = reply:text('message')
  if reply.message == '' then reply.message = otp.result_message(result) end
  return reply
end

--- What is raised where the library could not answer; or where this file refused to ask it, which is E_ARGUMENT with an
-- empty reply. To log: tostring() gives one line without a code, a token, a recipient or a key.
-- @field result the number of the result: negative
-- @field name the name of the result, such as "OTP_E_STORE"
-- @field message what went wrong
-- @field reply the reply
-- @field cause what the send callback raised, if it did
local Error = {}
Error.__index = Error
Error.__tostring = function(self) return self.name .. ': ' .. self.message end

local function fail(reply, message, cause)
  local fields = {result = reply.result, name = reply.name, message = message or reply.message}
  fields.reply, fields.cause = reply, cause
  error(setmetatable(fields, Error), 0)
end

local function refuse(message) fail(new_reply(otp.E_ARGUMENT, ''), message) end

-- C would end a text at a NUL without a word: "alice\0x" must not become "alice".
local function text(value, name)
  if value == nil then return nil end
  -- A number is none: as a code, it would have lost its zeros at the beginning.
  if type(value) ~= 'string' then refuse(name .. ' must be a string, not a ' .. type(value)) end
  if value:find('\0', 1, true) then refuse(name .. ' must not have a NUL character') end
  return value
end

local Array = {}

--- Marks a table as a JSON array. Only an empty one needs it: {} is an object.
function otp.array(items) return setmetatable(items, Array) end

local function quote(value)
  local escaped = value:gsub('[%c"\\]', function(char) return ('\\u%04x'):format(char:byte()) end)
  return '"' .. escaped .. '"'
end

local function encode(value, name, depth)
  local kind = type(value)
  if kind == 'string' then return quote(value) end
  if kind == 'boolean' then return tostring(value) end
  if kind == 'number' and value - value == 0 then -- neither infinite nor NaN
    return (('%.17g'):format(value))
  end
  if kind ~= 'table' or depth > 16 then refuse(name .. ' cannot be written as JSON') end
  local parts = {}
  if #value > 0 or getmetatable(value) == Array then
    for index, item in ipairs(value) do parts[index] = encode(item, name, depth + 1) end
    for key in pairs(value) do
      if parts[key] == nil then refuse(name .. ' has an array with other keys than 1, 2, 3 ...') end
    end
    return '[' .. table.concat(parts, ',') .. ']'
  end
  for key, member in pairs(value) do
    if type(key) ~= 'string' then refuse(name .. ' has a key that is no string') end
    parts[#parts + 1] = quote(key) .. ':' .. encode(member, name, depth + 1)
  end
  return '{' .. table.concat(parts, ',') .. '}'
end

local function json(value, name)
  return text(type(value) == 'table' and encode(value, name, 0) or value, name)
end

-- The services that have callbacks, by user_data; weak, so that they can be collected.
local services = setmetatable({}, {__mode = 'v'})
local last_id = 0

-- What C calls. Nothing may be raised out of it, since that would jump over frames of C.

local function on_send(id, message)
  local service = services[tonumber(id)]
  local is_done, answer = pcall(function() return service.send(setmetatable({json = ffi.string(message)}, Message)) end)
  if not is_done then
    if service then service.raised = answer end
    return 0
  end
  if answer == nil or answer == true or answer == otp.SENT then return otp.SENT end
  return answer == otp.NOT_SENT and otp.NOT_SENT or 0
end

local function report(name, message)
  io.stderr:write('libotp: the ', name, ' callback raised ', tostring(message), '\n')
end

local function on_log(id, level, event)
  local service = services[tonumber(id)] -- nil while a service that was collected closes
  if not service then return end
  local is_done, message = pcall(function() service.log(level, ffi.string(event)) end)
  if not is_done then pcall(report, 'log', message) end
end

local function on_clock(id)
  local service = services[tonumber(id)]
  local is_done, now = pcall(function() return service and math.floor(service.clock()) or os.time() * 1000 end)
  if is_done and now == now then return now end
  pcall(report, 'clock', now)
  return os.time() * 1000
end

-- LuaJIT has few callbacks to give, so all services share these, made by the first that needs them.
local callbacks

local function make_callbacks()
  callbacks = callbacks or {
    send = ffi.cast(SEND, on_send), log = ffi.cast(LOG, on_log), clock = ffi.cast(CLOCK, on_clock),
  }
end

--- Creates codes, has them delivered, and verifies each once.
--
-- Every method returns OK and refusals as a reply, and raises an error where the library could not answer. Methods wait
-- for the disk, and those that send for the carrier. Texts are UTF-8; nil is an absent one. What is JSON may be text or
-- a table. A service is closed by close(), or when it is collected.
-- @field opened the reply to opening: its `warnings` name what is allowed and not advisable
local Service = {}
Service.__index = Service

local function call(self, name, ...)
  if not self.handle then refuse('the service is closed') end
  -- A callback may call again: so no buffer is shared, and what was raised belongs to the innermost call.
  local buffer = ffi.new('char[?]', REPLY_SIZE)
  local arguments, count, outer = {self.handle, ...}, select('#', ...), self.raised
  arguments[count + 2], arguments[count + 3] = buffer, REPLY_SIZE
  self.raised = nil
  local result = lib[name](unpack(arguments, 1, count + 3))
  local raised, reply = self.raised, new_reply(result, ffi.string(buffer))
  self.raised = outer
  if result < 0 then fail(reply, nil, raised) end
  return reply
end

--- Draws a code for a token, which is your name for what the code is good for, and has it delivered.
function Service:create(token, request) return call(self, 'create', text(token, 'token'), json(request, 'request')) end

--- Sends the same code again, from the first step of the workflow, for the time it has left.
function Service:resend(token) return call(self, 'resend', text(token, 'token')) end

--- Sends the same code again from the first step with this channel on, such as 'sms'.
function Service:resend_channel(token, channel)
  return call(self, 'resend_channel', text(token, 'token'), text(channel, 'channel'))
end

--- With sender "none": says that the last message certainly did not leave. The reply hands the next one over.
function Service:not_sent(token) return call(self, 'not_sent', text(token, 'token')) end

--- Checks a code, and uses it up if it is right: of all calls in all processes exactly one gets OK. Let somebody in on
-- verify(...).is_ok and on nothing else.
-- @param context what the code approves, exactly as the request of create() had it; may be nil
function Service:verify(token, code, context)
  return call(self, 'verify_context', text(token, 'token'), text(code, 'code'), text(context, 'context'))
end

--- Cancels the token's code, for good.
function Service:cancel(token) return call(self, 'cancel', text(token, 'token')) end

--- Says how the token's code stands. It sends nothing and counts nothing.
function Service:status(token) return call(self, 'status', text(token, 'token')) end

--- Takes a webhook of the carrier. Answer with otp.http_status() of the result, also that of an error.
-- @param authorization the value of the request's header; nil if it has none
-- @param body the bytes of the body as they came
function Service:webhook(authorization, body)
  return call(self, 'webhook', text(authorization, 'authorization'), body, #(body or ''))
end

--- Stores a receipt that you have authenticated, such as {clientRef = ref, status = 'delivered'}.
function Service:report(report) return call(self, 'report', json(report, 'report')) end

--- Sends steps whose time has come, and removes old codes. Call it about once a second.
function Service:run_due() return call(self, 'run_due') end

--- Says what the service has counted: reply:integer('calls.create.OTP_OK').
function Service:metrics() return call(self, 'metrics') end

--- For operators: copies the whole repository into another one, as a backup, or with `move` to move there.
function Service:copy(repository, options)
  return call(self, 'copy', text(repository, 'repository'), json(options, 'options'))
end

--- For operators: says how a subject stands.
function Service:subject(subject) return call(self, 'subject', text(subject, 'subject')) end

--- For operators: forgets the failures of a subject, and lifts its lock.
function Service:unlock(subject) return call(self, 'unlock', text(subject, 'subject')) end

--- For operators: erases every code that was sent to a recipient.
function Service:erase(recipient) return call(self, 'erase', text(recipient, 'recipient')) end

-- Not in lib: that may be collected before the last service.
local otp_close = lib.close
local function close_handle(holder) otp_close(holder[0]) end

--- Closes the service; a second time does nothing. Any other call is an error then. A callback may close it.
function Service:close()
  local holder = self.holder
  self.holder, self.handle = nil, nil
  if holder then close_handle(ffi.gc(holder, nil)) end
end

local function set_callbacks(self, options)
  local id, results = self.id, {}
  if self.clock then results.clock = lib.on_clock(self.handle, callbacks.clock, id, nil) end
  if self.log then
    results.log = lib.on_log(self.handle, options.log_level or otp.LOG_INFO, callbacks.log, id, nil)
  end
  if self.send then results.send = lib.on_send(self.handle, callbacks.send, id, nil) end
  for name, result in pairs(results) do
    if result ~= otp.OK then
      self:close()
      fail(new_reply(result, ''), name .. ' cannot be set: ' .. otp.result_message(result))
    end
  end
end

--- Opens a service.
--
-- A callback may call the service. It must not yield. None can be used with the option `background`, whose thread is
-- not Lua's: call run_due() instead.
-- @param config JSON text or a table; nil is all defaults
-- @param options a table, or nil:
--
--   * `send`: delivers a message, with sender "host". Nothing, true or SENT returned means sent, NOT_SENT certainly
--     not; anything else, and an error, that it may have been: the code stays good.
--   * `clock`: returns milliseconds since 1970. Where it raises an error, the system's time is taken.
--   * `log`: takes events: the level, and JSON text
--   * `log_level`: the highest level that the log wants, by default LOG_INFO
function otp.open(config, options)
  options, config = options or {}, json(config, 'config')
  local self = setmetatable({send = options.send, clock = options.clock, log = options.log}, Service)
  if self.send or self.clock or self.log then
    if Message.text({json = config}, 'background') == 'true' then
      refuse('no callback can be used with `background`: call run_due() instead')
    end
    make_callbacks()
  end
  local holder, buffer = ffi.new('intptr_t[1]'), ffi.new('char[?]', REPLY_SIZE)
  local result = lib.open(config, holder, buffer, REPLY_SIZE)
  self.opened = new_reply(result, ffi.string(buffer))
  if result ~= otp.OK then fail(self.opened) end
  self.holder, self.handle = ffi.gc(holder, close_handle), holder[0]
  last_id = last_id + 1
  self.id, services[last_id] = last_id, self
  set_callbacks(self, options)
  return self
end

-- Code that is compiled must not call what calls back.
for _, caller in ipairs({call, close_handle, set_callbacks, otp.open}) do jit.off(caller) end

return otp
