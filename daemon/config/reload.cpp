#include "daemon/config/reload.hpp"

#include <algorithm>

namespace weir::daemon::config {

config_ptr without_restart(const config& running, const config& next) {
    auto made = std::make_shared<config>(next);
    made->listen.hosts = running.listen.hosts;
    made->listen.port = running.listen.port;
    made->listen.unix_socket_dir = running.listen.unix_socket_dir;
    made->listen.reuse_port = running.listen.reuse_port;
    // The same files: its keys of session tickets stay good.
    if (pool::is_same(running.listen.tls.context, next.listen.tls.context)) {
        made->listen.tls.context = running.listen.tls.context;
    }
    made->threads = running.threads;
    made->io_uring = running.io_uring;
    made->http.enabled = running.http.enabled;
    made->http.host = running.http.host;
    made->http.port = running.http.port;
    for (setting& each : made->settings) {
        if (each.is_live) continue;
        const auto held = std::ranges::find(running.settings, each.key, &setting::key);
        if (held != running.settings.end()) each = *held;
    }
    return made;
}

}  // namespace weir::daemon::config
