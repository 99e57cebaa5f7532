/* The pages' files as npm built them, taken in by the assembler: no tool, and no copy in the
 * sources. */
#include "server/assets.h"

#define HTML "text/html; charset=utf-8"
#define CSS "text/css; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"
#define SVG "image/svg+xml"

/* One line for each file: a name of its own, the path it is served at, its type, and where it is.
 */
#define ASSETS(ASSET)                                                                              \
    ASSET(demo_page, "/", HTML, SYNCLINE_DEMO "/index.html")                                       \
    ASSET(demo_style, "/style.css", CSS, SYNCLINE_DEMO "/style.css")                               \
    ASSET(demo_script, "/demo.js", SCRIPT, SYNCLINE_DEMO "/demo.js")                               \
    ASSET(demo_worker, "/sw.js", SCRIPT, SYNCLINE_DEMO "/sw.js")                                   \
    ASSET(demo_shared, "/shared-worker.js", SCRIPT, SYNCLINE_DEMO "/shared-worker.js")             \
    ASSET(demo_icon, "/icon.svg", SVG, SYNCLINE_DEMO "/icon.svg")                                  \
    ASSET(console_page, "/console", HTML, SYNCLINE_CONSOLE "/index.html")                          \
    ASSET(console_page_too, "/console/", HTML, SYNCLINE_CONSOLE "/index.html")                     \
    ASSET(console_style, "/console/style.css", CSS, SYNCLINE_CONSOLE "/style.css")                 \
    ASSET(console_script, "/console/console.js", SCRIPT, SYNCLINE_CONSOLE "/console.js")           \
    ASSET(console_icon, "/console/icon.svg", SVG, SYNCLINE_CONSOLE "/icon.svg")

#define EMBED(name, path, type, file)                                                              \
    extern const uint8_t asset_##name##_start[];                                                   \
    extern const uint8_t asset_##name##_end[];                                                     \
    __asm__(".pushsection .rodata\n"                                                               \
            ".global asset_" #name "_start\n.global asset_" #name "_end\n"                         \
            "asset_" #name "_start:\n.incbin \"" file "\"\n"                                       \
            "asset_" #name "_end:\n.byte 0\n"                                                      \
            ".popsection\n");

#define PAGE(name, path, type, file)                                                               \
    {path, type, {asset_##name##_start, (size_t)(asset_##name##_end - asset_##name##_start)}},

ASSETS(EMBED)

size_t assets_list(struct net_page pages[ASSETS_MAX])
{
    const struct net_page list[] = {ASSETS(PAGE)};
    size_t count = sizeof list / sizeof *list;
    _Static_assert(sizeof list / sizeof *list <= ASSETS_MAX, "more files than there is room for");
    for (size_t i = 0; i < count; i++) {
        pages[i] = list[i];
    }
    return count;
}
