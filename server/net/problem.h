/* A problem document (RFC 9457) of literals, for where there is no request that could be answered
 * by `net_answer_problem`. */
#ifndef NET_PROBLEM_H
#define NET_PROBLEM_H

#define PROBLEM_TYPE "application/problem+json"

#define PROBLEM_TEXT(status, title, code, detail)                                                  \
    "{\"type\":\"urn:syncline:problem:" code "\",\"title\":\"" title "\",\"status\":" status       \
    ",\"detail\":\"" detail "\",\"code\":\"" code "\"}\n"

#endif
