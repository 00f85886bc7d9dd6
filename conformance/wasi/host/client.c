/* Connects to a port of this machine, says "ping", ends its side, and prints what comes back. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("connect");
        return 1;
    }
    usleep(100000); /* the guest waits for a connection, then for data: in two pieces */
    if (write(fd, "pi", 2) != 2)
        return 1;
    usleep(100000);
    if (write(fd, "ng", 2) != 2 || shutdown(fd, SHUT_WR) < 0)
        return 1;
    char text[16];
    for (ssize_t len; (len = read(fd, text, sizeof text)) > 0;)
        fwrite(text, 1, (size_t)len, stdout);
    return 0;
}
