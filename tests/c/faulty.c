/* Does what a checker must find, to show that it would. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments) {
  char *volatile memory = malloc(8);
  int volatile most = 2147483647;

  if (count != 2 || memory == NULL)
    return 0;
  memset(memory, 1, 8);
  if (strcmp(arguments[1], "leak") == 0)
    memory = NULL;
  else if (strcmp(arguments[1], "beyond") == 0)
    printf("%d\n", memory[8]);
  else if (strcmp(arguments[1], "undefined") == 0)
    printf("%d\n", most + 1);
  free(memory);
  return 0;
}
