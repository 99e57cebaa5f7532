/* An operator's call `backup`: the whole data file, as a download. */
#include "server/hub/download.h"
#include "server/hub/operator.h"

void operator_backup(const struct operator_call *call)
{
    struct download *download = download_begin(call, true);
    if (download != NULL) {
        download_begin_copy(call->hub, download);
    }
}
