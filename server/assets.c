/* The demo's files as npm built them, taken in by the assembler: no tool, and no copy in the
 * sources. */
#include "server/assets.h"

#define ASSET(name, file)                                                                          \
    extern const uint8_t name##_start[];                                                           \
    extern const uint8_t name##_end[];                                                             \
    __asm__(".pushsection .rodata\n"                                                               \
            ".global " #name "_start\n.global " #name "_end\n" #name                               \
            "_start:\n.incbin \"" SYNCLINE_DEMO "/" file "\"\n" #name "_end:\n.byte 0\n"           \
            ".popsection\n")

ASSET(asset_page, "index.html");
ASSET(asset_style, "style.css");
ASSET(asset_script, "demo.js");
ASSET(asset_icon, "icon.svg");

size_t assets_list(struct net_page pages[ASSETS_MAX])
{
    const struct net_page list[] = {
        {"/",
         "text/html; charset=utf-8",
         {asset_page_start, (size_t)(asset_page_end - asset_page_start)}},
        {"/style.css",
         "text/css; charset=utf-8",
         {asset_style_start, (size_t)(asset_style_end - asset_style_start)}},
        {"/demo.js",
         "text/javascript; charset=utf-8",
         {asset_script_start, (size_t)(asset_script_end - asset_script_start)}},
        {"/icon.svg",
         "image/svg+xml",
         {asset_icon_start, (size_t)(asset_icon_end - asset_icon_start)}},
    };
    size_t count = sizeof list / sizeof *list;
    for (size_t i = 0; i < count; i++) {
        pages[i] = list[i];
    }
    return count;
}
