/* Tells what a container gave it. Linked statically, so an image needs nothing else to run it. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char** argv) {
  printf("args:");
  for (int i = 1; i < argc; ++i) printf(" %s", argv[i]);
  char folder[4096];
  printf("\nuser: %d:%d\nfolder: %s\n", (int)getuid(), (int)getgid(),
         getcwd(folder, sizeof folder) ? folder : "?");
  printf("GREETING: %s\n", getenv("GREETING") ? getenv("GREETING") : "(unset)");
  FILE* page = fopen("/srv/www/index.html", "r");
  char line[256];
  printf("page: %s", page && fgets(line, sizeof line, page) ? line : "(none)\n");
  return 0;
}
