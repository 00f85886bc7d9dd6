/* A function that sends a request to the URL in its query, and answers with how that ended, the status
 * and the body. */
#include <fnvm/http.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    static char body[4096];
    const char *url = getenv("QUERY_STRING");
    uint32_t len = 0;
    const int32_t r = fnvm_http_send("GET", 3, url, (uint32_t)strlen(url), "", 0, "", 0);
    const int32_t ended = r > 0 ? fnvm_http_await(r, 20000) : r;
    const int32_t status = ended == FNVM_OK ? fnvm_http_status(r) : 0;
    if (status == 200) fnvm_http_body(r, 0, body, sizeof body - 1, &len);
    printf("Content-Type: text/plain\n\n%d %d %s", (int)ended, (int)status, body);
    return 0;
}
