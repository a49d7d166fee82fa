/* Creates a code, has it sent, and asks for it until that is decided. With the default configuration the code appears
 * on standard error, and the repository is the file otp.db in this folder. To build and run it after
 * `cargo build --release`:
 *
 *   ln -sf libotp.so target/release/libotp.so.0
 *   cc examples/c/create_verify.c -Iinclude -Ltarget/release -lotp -Wl,-rpath,target/release -o create_verify
 *   ./create_verify 123456789 8192836451 393331234567
 */
#include <otp.h>
#include <stdio.h>
#include <string.h>

/* A line that was typed in, without its end; 0 when there is none. What does not fit is too long for any code. */
static int ask(const char *question, char *line, int size) {
  int rest = 0;

  printf("%s", question);
  if (fflush(stdout) != 0 || fgets(line, size, stdin) == NULL)
    return 0;
  while (strchr(line, '\n') == NULL && rest != '\n' && rest != EOF)
    rest = getchar();
  line[strcspn(line, "\r\n")] = 0;
  return 1;
}

/* Negative results are failures, for the log; positive ones are for the user. */
static otp_result tell(otp_result result, const char *reply) {
  if (result < 0)
    fprintf(stderr, "%s\n", reply);
  else
    printf("%s\n", otp_result_message(result));
  return result;
}

static otp_result run(otp_service *service, char **arguments) {
  char reply[OTP_REPLY_SIZE], request[1024] = "", code[128];
  otp_result result;

  if (otp_request_text(request, sizeof request, "messengerId", arguments[2]) != OTP_OK ||
      otp_request_text(request, sizeof request, "phoneNumber", arguments[3]) != OTP_OK) {
    fprintf(stderr, "an address is too long\n");
    return OTP_E_ARGUMENT;
  }
  result = otp_create(service, arguments[1], request, reply, sizeof reply);
  if (result != OTP_OK)
    return tell(result, reply);
  printf("The code is good for %ld seconds.\n", (long)otp_reply_integer(reply, "expiresInSeconds", 0));

  /* OTP_E_ARGUMENT, say for an empty line, does not count as a wrong code. */
  do {
    if (!ask("Code: ", code, sizeof code))
      return OTP_E_ARGUMENT;
    result = tell(otp_verify(service, arguments[1], code, reply, sizeof reply), reply);
  } while (result == OTP_NOT_VALID || result == OTP_E_ARGUMENT);
  return result;
}

int main(int count, char **arguments) {
  char reply[OTP_REPLY_SIZE];
  otp_service *service;
  otp_result result;

  if (count != 4) {
    fprintf(stderr, "usage: %s TOKEN MESSENGER_ID PHONE_NUMBER\n", arguments[0]);
    return 2;
  }
  if (otp_open(NULL, &service, reply, sizeof reply) != OTP_OK) {
    fprintf(stderr, "%s\n", reply);
    return 1;
  }
  result = run(service, arguments);
  otp_close(service);
  return result == OTP_OK ? 0 : 1;
}
