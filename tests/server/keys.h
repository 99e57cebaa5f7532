/*
 * Keys for tests, good for nothing else; and a token of each algorithm that OpenSSL signed by way
 * of Node.js (crypto.sign), whose claims are {"sub":"ann","exp":2000000000,"admin":true}.
 */
#ifndef TESTS_SERVER_KEYS_H
#define TESTS_SERVER_KEYS_H

#define SECRET "0123456789abcdef0123456789abcdef"

#define RSA_PRIVATE                                                                                \
    "-----BEGIN PRIVATE KEY-----\n"                                                                \
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDKGyYcY/sSHqsQ\n"                           \
    "N1Zhl0ouP7HU2ufbn74XwGzfjs2zuPD0wGGVsGY/nrIUYIqWqbbEmyZmXosEgTMa\n"                           \
    "+r/r7XKk8Cr52G5SgSwzfQ0t7V88qUgA0I67TCB4rteHHwE/BPpB6dPJ9YTrNkZ8\n"                           \
    "bEkcf/CA21ypSElk2y/pu/R56W4eh5npoj063kDp54nzhjTLM/M8apHR5FOaxxYg\n"                           \
    "119NClN070TAzx8OrbWiHQtpp5qVuJWekRfNYeomFmmnTqXdiI6wa2IeFF0y9XJU\n"                           \
    "2GUT33YmlCABQoaped4qqVVHRsWMQaSntbaXZK8Zwkn+RfdVZlu+A6mTqLiv41ih\n"                           \
    "Sy2AVIbxAgMBAAECggEAYMznEJMMlo2s1kwC6iQ5yfQE+1PL2IPm2t515w+xU4Lh\n"                           \
    "mgCo3LbMCm26kor45hesa/d5yW8/+2zcavAty1UD458Knnc8w/SNlK2xCc3XHylf\n"                           \
    "TNCXhHr+VH89yMCfaq06JibWIzWer7/ju8VrsSRQL4+hjo0KZi2bgcJd4qRc826a\n"                           \
    "Hip5o8idNwvkNzo0Nq6N4yc2nfeWBVMeOIuGdHVaAap98euGmTg8nIV4yEbR1htE\n"                           \
    "2mMgWOHWCYXWgWtZxBoXOyaBO09eFFOmQaGNuq9Ym3PSGFAaKklDUSyXK9eeWGiA\n"                           \
    "+C7ca5hVJBGz9V0asGGuyvrpLpOpEu2vFhpVYym1XwKBgQDwYACXrt/gzhZWC8EA\n"                           \
    "eh+Lzj17MN9TG88tGAoGyaWaF2TSL5wzID9lMlpsf7SXIJk/O9+HHj/4PJgZiip6\n"                           \
    "oTMJJYu/DiV0wZxCnbwA2ce945wcM+1WCElJlH0wyDO+w3Cij1W4+HpKl1c7K+zw\n"                           \
    "s1uUkDoWb8LDd7odofK/4ooK8wKBgQDXPlN03S9BiDM5AoFI+cveG9+FvUPIprnN\n"                           \
    "Did+XQ467+8InEU25lA4sH+oIsS5u0al0dm2l1uIQvgte6t8J+bCAIMTdcaAgqgh\n"                           \
    "wTNvsArU4Iw1smjYWa+qAwnChQvCIm921kE/UpTNQ8fKdPUhtrezHWF5txunMKTB\n"                           \
    "RM+0LbhXiwKBgQC9bBnrbl50bFNDuX19X7+OT5c5hhjnCEoqEgCMuskqdfb4f5ZK\n"                           \
    "38W1fImvaK+qTIEXSJpsgxUMDMwbjDrPakqqkZDfnUk9CfmWsXBfBz+VT1FNFEqa\n"                           \
    "emsudbp1/75vPNp88BEwc3cDYuHV+lZ8lAq+Ny3fUnEb0jSzd1Sxi9cWqwKBgFBt\n"                           \
    "6K+Niv/4zfMqnXbQaL6ZOb/2xiJvMpSOCnHsgcnCKFbWVgK6sxVL1pfUTiB8+1ww\n"                           \
    "+yKAkmJra+NLB/w/yLmLiW83HjKdIAhk8jx00sdTFPFntkfJ05s6wWXfY1Jqna4R\n"                           \
    "R5ZK3HGLN1fOtl6fsSsL+oWJx5qE0buqY9aXEwAbAoGAC4KYS1fnwE+JLccu4b+I\n"                           \
    "KvvDc5Ov6JcHCmO0mo3e1f/qTpNR+WAAF0C5trYJuT4Ani05IWeEoN6wRv4bVO0j\n"                           \
    "iLZiCsOsFupKutsEObDVAdpk0UszESgzf2yi44vn38dxlWZ6Pj3K0C6uz23MyqEj\n"                           \
    "8dI5oNQJbVGS8GxasAQmnzo=\n"                                                                   \
    "-----END PRIVATE KEY-----\n"

#define RSA_PUBLIC                                                                                 \
    "-----BEGIN PUBLIC KEY-----\n"                                                                 \
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyhsmHGP7Eh6rEDdWYZdK\n"                           \
    "Lj+x1Nrn25++F8Bs347Ns7jw9MBhlbBmP56yFGCKlqm2xJsmZl6LBIEzGvq/6+1y\n"                           \
    "pPAq+dhuUoEsM30NLe1fPKlIANCOu0wgeK7Xhx8BPwT6QenTyfWE6zZGfGxJHH/w\n"                           \
    "gNtcqUhJZNsv6bv0eeluHoeZ6aI9Ot5A6eeJ84Y0yzPzPGqR0eRTmscWINdfTQpT\n"                           \
    "dO9EwM8fDq21oh0LaaealbiVnpEXzWHqJhZpp06l3YiOsGtiHhRdMvVyVNhlE992\n"                           \
    "JpQgAUKGqXneKqlVR0bFjEGkp7W2l2SvGcJJ/kX3VWZbvgOpk6i4r+NYoUstgFSG\n"                           \
    "8QIDAQAB\n"                                                                                   \
    "-----END PUBLIC KEY-----\n"

#define EC_PRIVATE                                                                                 \
    "-----BEGIN PRIVATE KEY-----\n"                                                                \
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgwqnRjiu1M1GKiAUL\n"                           \
    "ZyI9+9xfedjPQqsHoJ2vm/7XV8ShRANCAAQhA6q1v6+lysf6X56IV7NU02AiZrur\n"                           \
    "5pFLKYZdNg6Gfg5o5wJb2zXbox0397yPjkkGyUL99xQso5m+8igtpPOr\n"                                   \
    "-----END PRIVATE KEY-----\n"

#define EC_PUBLIC                                                                                  \
    "-----BEGIN PUBLIC KEY-----\n"                                                                 \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEIQOqtb+vpcrH+l+eiFezVNNgIma7\n"                           \
    "q+aRSymGXTYOhn4OaOcCW9s126MdN/e8j45JBslC/fcULKOZvvIoLaTzqw==\n"                               \
    "-----END PUBLIC KEY-----\n"

#define OTHER_EC_PRIVATE                                                                           \
    "-----BEGIN PRIVATE KEY-----\n"                                                                \
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg5u0iGTHn00m6AVUN\n"                           \
    "MrQozze7XqoTGTTekOpN897j2wuhRANCAARpx2ZIQUkA6LGsT5skLGi72OFOCw4N\n"                           \
    "4hL3FsonCSa9FMWzrwkq+Kn8kxFKCvJtIRVQIxkHH3jGmw23Xq8VNTne\n"                                   \
    "-----END PRIVATE KEY-----\n"

#define EC384_PUBLIC                                                                               \
    "-----BEGIN PUBLIC KEY-----\n"                                                                 \
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEB38MbQ1xIYrKqw3wOfHjiHN4BsSdtRDa\n"                           \
    "Wn6FnA00rWGqeFIfG/0hEHMOc0wBCo/gmxMQ+nT1lnSmpeWWm3lwu4PcsGNzb45C\n"                           \
    "ygvWvAiqO/HsEDUFBUkzq6vQVtKk2IIz\n"                                                           \
    "-----END PUBLIC KEY-----\n"

#define RSA1024_PUBLIC                                                                             \
    "-----BEGIN PUBLIC KEY-----\n"                                                                 \
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC+D7UYMuYCLVa6LMYTadvgustN\n"                           \
    "rsmktAlSdh86Jaw5JnaoDkEGrZgZwM9h9VCsuCe4jYrW2y3WR4DDKbfz53cXKFpg\n"                           \
    "XwQvKzKxBhfWZ3ePJ2F4uVP7Tt3NoUomeVK4JeYuUzVRVTH0g8jHx4dqvQ5xhnWU\n"                           \
    "T/K/k2vjiADf1B5FsQIDAQAB\n"                                                                   \
    "-----END PUBLIC KEY-----\n"

#define TOKEN_OF_HS256                                                                             \
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAwMDAwMDAsImFkbWluIjp0c"   \
    "nVlfQ.g_rnL4P_jmkuq4DxqFmcuMdXGk9C8D74GaR8IYy4UBE"

#define TOKEN_OF_RS256                                                                             \
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAwMDAwMDAsImFkbWluIjp0c"   \
    "nVlfQ.Z_UhmYAsHskpVH2_vvQ8ee36_th3nJX4dWqj8FROayzIMri1cGrJPr4qhwaFgEmOCBXJ46Cu4aMLen9Fz_8d"   \
    "CBSltNmgWpfixV1UlMbSC6tmrksel4ivY9wH7bu2k_axpia4TkLncqb2EtFnm0BIWD20hP_q4z3KYlAh3Z1VO0FMB-"   \
    "TR-XjdifqinuOXtdlHVtfAQ1OQk5ln_LiKhP47pSlyWoIswPrBkGXWPKVtpjBDSO36CcFwTMmM7eHvGD8Vb3_6YE6U"   \
    "ko3gZjClRYy00a512j1Ebeo5X725YOYYiT8JCCBe0yria0gXG0nQj-3TUbvdf5PjmRnpcwTJL8VzlA"

#define TOKEN_OF_ES256                                                                             \
    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAwMDAwMDAsImFkbWluIjp0c"   \
    "nVlfQ.e5kjHkV6IeWx8jx2LCU74QbjSOrj_nSxeNV3T0UTxEl6dO5w4KVKbG-hPUYaTg2f7YSAVkpBB5NZKJKYybNz"   \
    "bw"

#endif
