/* silent_names COMMAND...: runs it in a network of its own, whose name server takes questions and
 * never answers one.  Status 77: this system has no such networks for us. */
#include "conformance/own_network.h"

int main(int argc, char **argv)
{
    if (argc < 2 || !own_network() || name_server() < 0) return NO_NETWORK;
    execvp(argv[1], argv + 1); /* the server's socket stays open in it */
    perror(argv[1]);
    return 126;
}
