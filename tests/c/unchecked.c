/* Does not compile under -Werror: a result that decides something is ignored. */
#include <otp.h>

void unchecked(otp_service *service);

void unchecked(otp_service *service) { otp_verify(service, "token", "123456", NULL, 0); }
