#include "daemon/http/events.hpp"

#include "daemon/insight/json_writer.hpp"

namespace weir::daemon::http {

std::string events_json(const std::vector<log_event>& events) {
    insight::json_writer json;
    json.begin_object().key("events").begin_array();
    for (const auto& event : events) {
        json.begin_object();
        json.key("ts").text(insight::rfc3339(event.at));
        json.key("level").text(to_string(event.level));
        json.key("message").text(event.message);
        json.end_object();
    }
    return json.end_array().end_object().take();
}

}  // namespace weir::daemon::http
