/* What a client may send that is wrong, or right and rare: one table, each to be answered in one
 * way whether its bytes come at once, in two parts or one by one.  Behind each another request is
 * sent: where the connection is to end, it must not be answered. */
#include "conformance/http/client.h"

#define H "Host: a\r\n"
#define E "\r\n"
#define GET(target) "GET " target " HTTP/1.1\r\n" H E
#define FIELDS(lines) "GET /dump HTTP/1.1\r\n" H lines E
#define POST(lines, body) "POST /echo HTTP/1.1\r\n" H lines E body
#define CHUNKS(body) POST("Transfer-Encoding: chunked\r\n", body)
#define X(bytes) bytes, sizeof(bytes) - 1
#define GOOD(name, bytes, says) {name, X(bytes), 200, false, says, false}
#define BAD(name, bytes) {name, X(bytes), 400, true, NULL, false}
#define IS(name, status, bytes) {name, X(bytes), status, true, NULL, false}
/* libmicrohttpd 0.9.75 refuses these itself, before it calls for the request, and sends the head of
 * its answer twice: the second is taken for the body by whoever believes the first. */
#define TWICE(name, status, bytes) {name, X(bytes), status, true, NULL, true}

const Case http_cases[] = {
    /* Right. */
    GOOD("a request", GET("/dump"), "path=/dump query= host=a"),
    GOOD("HTTP/1.2 is HTTP/1.1", "GET /dump HTTP/1.2\r\n" H E, "path=/dump"),
    {"HTTP/1.0 without Host", X("GET /dump HTTP/1.0\r\n\r\n"), 200, true, "host=\n", false},
    GOOD("empty lines before a request", "\r\n\r\n" GET("/dump"), "path=/dump"),
    GOOD("white space around a value", FIELDS("A: \t b c\t \r\n"), "A=b c\n"),
    GOOD("no white space, no value", FIELDS("A:b\r\nC:\r\n"), "A=b\nC=\n"),
    GOOD("two fields of one name", FIELDS("A: 1\r\nA: 2\r\n"), "A=1\nA=2\n"),
    GOOD("bytes above 127 in a value", FIELDS("A: \xc3\xa4\r\n"), "A=\xc3\xa4\n"),
    GOOD("escapes are decoded once", GET("/%64ump%2541"), NULL),
    GOOD("the query is as it was", GET("/dump?%41=b&c;d+%zz"), "query=%41=b&c;d+%zz"),
    GOOD("a second question mark", GET("/dump?a?b"), "query=a?b"),
    GOOD("absolute form", "GET http://A:80/dump?x HTTP/1.1\r\n" H E, "path=/dump query=x host=a"),
    GOOD("absolute form without a path", "GET http://a?x HTTP/1.1\r\n" H E, NULL),
    GOOD("Host with a port", "GET /dump HTTP/1.1\r\nHost: a.b:8080\r\n\r\n", "host=a.b\n"),
    GOOD("Host is an address", "GET /dump HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "host=[::1]\n"),
    GOOD("dots that are no segments", GET("/dump?a/../b"), "query=a/../b"),
    GOOD("a body", POST("Content-Length: 5\r\n", "hello"), "hello"),
    GOOD("an empty body", POST("Content-Length: 0\r\n", ""), NULL),
    GOOD("Content-Length with zeros before", POST("Content-Length: 005\r\n", "hello"), "hello"),
    {"chunks", X(CHUNKS("5\r\nhello\r\n4;a=b\r\n you\r\n0\r\n\r\n")), 200, true, "hello you", false},
    {"CHUNKED", X(POST("Transfer-Encoding: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n")), 200, true, "hello", false},
    {"trailers are no fields", X("POST /dump HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
                                 "0\r\nContent-Length: 7\r\nX: y\r\n\r\n"), 200, true, NULL, false},
    {"Connection: close", X("GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n"), 200, true, NULL, false},

    /* The request line. */
    BAD("no space in the request line", "GET\r\n\r\n"),
    BAD("no version", "GET /\r\n\r\n"),
    BAD("HTTP/0.9 with a space", "GET / \r\n\r\n"),
    BAD("a version that is none", "GET / HTTP/1\r\n" H E),
    BAD("http/1.1", "GET / http/1.1\r\n" H E),
    BAD("a version of two digits", "GET / HTTP/1.10\r\n" H E),
    IS("HTTP/2.0", 505, "GET / HTTP/2.0\r\n" H E),
    IS("HTTP/2's preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    IS("HTTP/0.9", 505, "GET / HTTP/0.9\r\n" H E),
    BAD("two spaces before the target", "GET  / HTTP/1.1\r\n" H E),
    BAD("two spaces behind the target", "GET /  HTTP/1.1\r\n" H E),
    BAD("a space behind the version", "GET / HTTP/1.1 \r\n" H E),
    BAD("a space in the target", "GET /a b HTTP/1.1\r\n" H E),
    BAD("a space before the method", " GET / HTTP/1.1\r\n" H E),
    BAD("a tab between", "GET\t/ HTTP/1.1\r\n" H E),
    BAD("a method that is no token", "G(T / HTTP/1.1\r\n" H E),
    BAD("a NUL in the method", "G\0T / HTTP/1.1\r\n" H E),
    BAD("a NUL in the target", "GET /a\0b HTTP/1.1\r\n" H E),
    BAD("a NUL behind the target", "GET /a\0 HTTP/1.1\r\n" H E),
    BAD("a control character in the target", "GET /a\x01 HTTP/1.1\r\n" H E),
    BAD("a CR in the target", "GET /a\rb HTTP/1.1\r\n" H E),
    BAD("a byte above 127 in the target", "GET /\xc3\xa4 HTTP/1.1\r\n" H E),
    BAD("a fragment", GET("/a#b")),
    BAD("no slash first", GET("a")),
    BAD("another scheme", GET("ftp://a/")),
    BAD("an asterisk with GET", GET("*")),
    IS("CONNECT", 501, "CONNECT a:80 HTTP/1.1\r\n" H E),
    BAD("a bare LF behind the request line", "GET / HTTP/1.1\n" H E),

    /* The path. */
    BAD("..", GET("/a/../b")),
    BAD(".. at the end", GET("/a/..")),
    BAD("..  encoded", GET("/a/%2e%2E/b")),
    BAD(".. behind an encoded slash", GET("/a%2f..%2fb")),
    BAD(". in the path", GET("/./a")),
    BAD("%00", GET("/a%00")),
    BAD("%0d%0a in the path", GET("/a%0d%0ab")),
    BAD("% at the end", GET("/a%")),
    BAD("%4 at the end", GET("/a%4")),
    BAD("%zz", GET("/a%zz")),

    /* Host. */
    BAD("no Host", "GET / HTTP/1.1\r\n\r\n"),
    BAD("two Hosts", "GET / HTTP/1.1\r\n" H H E),
    BAD("an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    BAD("Host with a slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    BAD("Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    BAD("Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    BAD("Host with two values", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    BAD("Host with a port that is none", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    BAD("Host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    BAD("absolute form for another host", "GET http://b/ HTTP/1.1\r\n" H E),
    BAD("absolute form without Host", "GET http://a/ HTTP/1.1\r\n\r\n"),
    BAD("absolute form with a user", "GET http://u@a/ HTTP/1.1\r\n" H E),

    /* Fields. */
    BAD("a space before the colon", FIELDS("A : b\r\n")),
    BAD("a tab before the colon", FIELDS("A\t: b\r\n")),
    BAD("no colon", FIELDS("A\r\n")),
    BAD("no name", FIELDS(": b\r\n")),
    BAD("a name that is no token", FIELDS("A(: b\r\n")),
    BAD("a name above 127", FIELDS("\xc3\xa4: b\r\n")),
    BAD("a NUL in a name", FIELDS("A\0: b\r\n")),
    BAD("a NUL in a value", FIELDS("A: b\0c\r\n")),
    BAD("a NUL at a value's end", FIELDS("A: b\0\r\n")),
    BAD("two NULs that hide a field", FIELDS("A: b\0\0X: y\r\n")),
    BAD("two NULs that invent a field", FIELDS("A: b\0\0X\0y\r\n")),
    BAD("a control character in a value", FIELDS("A: \x01\r\n")),
    BAD("DEL in a value", FIELDS("A: \x7f\r\n")),
    BAD("a bare CR in a value", FIELDS("A: b\rC: d\r\n")),
    BAD("a bare LF behind a field", FIELDS("A: b\nC: d\r\n")),
    BAD("CR CR LF", FIELDS("A: b\r\r\n")),
    BAD("a bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
    BAD("bare LFs only", "GET / HTTP/1.1\nHost: a\n\n"),
    BAD("LF CR LF", "GET / HTTP/1.1\r\nHost: a\n\r\n"),
    BAD("a line that continues", FIELDS("A: b\r\n c\r\n")),
    BAD("a line that continues with a tab", FIELDS("A: b\r\n\tc\r\n")),
    BAD("a first line that continues", "GET / HTTP/1.1\r\n A: b\r\n" H E),
    BAD("an empty line that continues", FIELDS("A:\r\n \r\n")),
    IS("an expectation that is not known", 417, FIELDS("Expect: tea\r\n")),

    /* How long a body is. */
    BAD("both lengths", POST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
    BAD("both lengths, the other way", POST("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n")),
    BAD("two lengths that differ", POST("Content-Length: 5\r\nContent-Length: 6\r\n", "hello")),
    BAD("two lengths that agree", POST("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")),
    TWICE("a list of lengths", 400, POST("Content-Length: 5, 5\r\n", "hello")),
    TWICE("a length with a sign", 400, POST("Content-Length: +5\r\n", "hello")),
    TWICE("a length below zero", 400, POST("Content-Length: -5\r\n", "hello")),
    TWICE("a length in hex", 400, POST("Content-Length: 0x5\r\n", "hello")),
    TWICE("a length with a space in it", 400, POST("Content-Length: 1 1\r\n", "hello")),
    TWICE("an empty length", 400, POST("Content-Length:\r\n", "hello")),
    TWICE("a length behind a vertical tab", 400, POST("Content-Length: \v5\r\n", "hello")),
    BAD("a length that continues", POST("Content-Length: 1\r\n 1\r\n", "hello")),
    BAD("a length with a space before the colon", POST("Content-Length : 5\r\n", "hello")),
    TWICE("a length above 2^64", 413, POST("Content-Length: 99999999999999999999\r\n", "hello")),
    IS("a length above 2^63", 413, POST("Content-Length: 9999999999999999999\r\n", "hello")),
    TWICE("a length that wraps to 5", 413, POST("Content-Length: 18446744073709551621\r\n", "hello")),
    IS("a length above the limit", 413, POST("Content-Length: 1099511627776\r\n", "hello")),
    BAD("xchunked", POST("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")),
    BAD("chunked with a space behind", POST("Transfer-Encoding: chunked \r\n", "0\r\n\r\n")),
    BAD("chunked behind a vertical tab", POST("Transfer-Encoding: \vchunked\r\n", "0\r\n\r\n")),
    BAD("identity, chunked", POST("Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n")),
    BAD("gzip, chunked", POST("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")),
    BAD("chunked, identity", POST("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n")),
    BAD("chunked, chunked", POST("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n")),
    BAD("chunked twice", POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
    BAD("identity, then chunked", POST("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
    BAD("\"chunked\"", POST("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n")),
    BAD("chunked;q=1", POST("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n")),
    BAD("an empty transfer coding", POST("Transfer-Encoding:\r\n", "0\r\n\r\n")),
    BAD("a coding with a space before the colon", POST("Transfer-Encoding : chunked\r\n", "0\r\n\r\n")),
    BAD("a coding that continues", POST("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n")),
    BAD("chunks in HTTP/1.0", "POST /echo HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),

    /* Chunks. */
    BAD("a chunk's size that is none", CHUNKS("x\r\nhello\r\n0\r\n\r\n")),
    BAD("a chunk's size with 0x", CHUNKS("0x5\r\nhello\r\n0\r\n\r\n")),
    BAD("a chunk's size with a sign", CHUNKS("+5\r\nhello\r\n0\r\n\r\n")),
    BAD("a chunk's size with a space", CHUNKS("5 \r\nhello\r\n0\r\n\r\n")),
    BAD("an empty chunk size", CHUNKS("\r\nhello\r\n0\r\n\r\n")),
    BAD("only an extension", CHUNKS(";a\r\nhello\r\n0\r\n\r\n")),
    BAD("a chunk that is longer than its size", CHUNKS("4\r\nhello\r\n0\r\n\r\n")),
    BAD("no CR LF behind a chunk", CHUNKS("5\r\nhello0\r\n\r\n")),
    BAD("a trailer without a colon", CHUNKS("0\r\nX\r\n\r\n")),
    IS("a chunk's size above 2^64", 413, CHUNKS("fffffffffffffffff\r\nhello")),

    /* What libmicrohttpd takes and nobody can see from outside it: the connection ends, so that nothing
     * behind it is taken for a request. */
    IS("a bare LF behind a chunk's size", 200, CHUNKS("5\nhello\r\n0\r\n\r\n")),
    IS("a bare LF in a chunk's extension", 200, CHUNKS("5;a\nhello\r\n0\r\n\r\n")),
    IS("a bare CR in a chunk's extension", 200, CHUNKS("5;a\rb\r\nhello\r\n0\r\n\r\n")),
    IS("a bare LF behind a chunk", 200, CHUNKS("5\r\nhello\n0\r\n\r\n")),
    IS("bare LFs behind the last chunk", 200, CHUNKS("5\r\nhello\r\n0\n\n")),
    IS("a space in a trailer's name", 200, CHUNKS("0\r\nX y: z\r\n\r\n")),
    /* And one thing in a head: NUL LF looks like CR LF once libmicrohttpd has read it. */
    GOOD("NUL LF for CR LF", FIELDS("A: b\0\n"), "A=b\n"),
};
const size_t http_ncases = sizeof http_cases / sizeof *http_cases;
