-- Reads the declarations as they are, and uses up a code: luajit embed.lua otp.cdef.h libotp.so
local ffi = require('ffi')
ffi.cdef(assert(io.open(arg[1])):read('*a'))
local otp = ffi.load(arg[2])

local size = otp.OTP_REPLY_SIZE
local reply = ffi.new('char[?]', size)
local opened = ffi.new('otp_service *[1]')

local function must(result, wanted, what)
  assert(result == wanted, what .. ': ' .. result)
end

local config = '{"repository": "memory:", "sender": {"type": "none"}}'
must(otp.otp_open(config, opened, reply, size), otp.OTP_OK, 'open')
local service = opened[0]
must(otp.otp_create(service, 'session', '{"phoneNumber": "+39 333 123 4567"}', reply, size), otp.OTP_OK, 'create')
local text = ffi.new('char[32]')
assert(otp.otp_reply_text(reply, 'code', text, 32) == 6)
local code = ffi.string(text)
must(otp.otp_verify(service, 'session', code:sub(1, 3) .. ' ' .. code:sub(4), reply, size), otp.OTP_OK, 'verify')
must(otp.otp_verify(service, 'session', code, reply, size), otp.OTP_CHECKED, 'verify again')
must(otp.otp_verify(service, 'session', '', reply, size), otp.OTP_E_ARGUMENT, 'verify nothing')
otp.otp_close(service)
print('good once')
