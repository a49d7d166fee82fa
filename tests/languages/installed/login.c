/* Creates a code and verifies it: C90, and C++98 as well. */
#include <otp.h>
#include <stdio.h>

int main(void)
{
  char reply[OTP_REPLY_SIZE], code[16];
  otp_service *service;
  int is_in;
  if (otp_open("{\"repository\":\"memory:\",\"sender\":{\"type\":\"none\"}}", &service, reply, sizeof reply) != OTP_OK)
    return puts(reply), 1;
  if (otp_create(service, "login 1", "{}", reply, sizeof reply) != OTP_OK)
    return puts(reply), 1;
  if (otp_reply_text(reply, "code", code, sizeof code) >= sizeof code)
    return puts("no code"), 1;
  is_in = otp_verify(service, "login 1", code, reply, sizeof reply) == OTP_OK;
  puts(is_in ? "verified" : reply);
  otp_close(service);
  return !is_in;
}
