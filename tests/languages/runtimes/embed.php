<?php
// Reads the declarations as they are, and uses up a code: php embed.php otp.cdef.h libotp.so
declare(strict_types=1);

$otp = FFI::cdef(file_get_contents($argv[1]), $argv[2]);
$reply = $otp->new('char[' . $otp->OTP_REPLY_SIZE . ']');
$service = $otp->new('otp_service *');
$size = $otp->OTP_REPLY_SIZE;

function must(int $result, int $wanted, string $what): void
{
    if ($result !== $wanted) {
        throw new RuntimeException("$what: $result");
    }
}

$config = '{"repository": "memory:", "sender": {"type": "none"}}';
must($otp->otp_open($config, FFI::addr($service), $reply, $size), $otp->OTP_OK, 'open');
$request = '{"phoneNumber": "+39 333 123 4567"}';
must($otp->otp_create($service, 'session', $request, $reply, $size), $otp->OTP_OK, 'create');
$code = json_decode(FFI::string($reply), true)['code'];
must($otp->otp_verify($service, 'session', substr($code, 0, 3) . ' ' . substr($code, 3), $reply, $size), $otp->OTP_OK, 'verify');
must($otp->otp_verify($service, 'session', $code, $reply, $size), $otp->OTP_CHECKED, 'verify again');
must($otp->otp_verify($service, 'session', '', $reply, $size), $otp->OTP_E_ARGUMENT, 'verify nothing');
$otp->otp_close($service);
echo "good once\n";
