#include "daemon/insight/n_plus_one.hpp"

#include "daemon/insight/json_writer.hpp"
#include "daemon/insight/query_text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace weir::daemon::insight {
namespace {

constexpr std::size_t longest_name = 256;

std::string name(std::string_view text) {
    return printable_text(text, longest_name);
}

}  // namespace

bool n_plus_one_book::note(const n_plus_one_run& run) {
    const std::lock_guard lock{mutex_};
    key wanted{name(run.database), name(run.user), name(run.application), run.fingerprint};
    auto found = patterns_.find(wanted);
    const bool is_new = found == patterns_.end();
    if (is_new) {
        if (patterns_.size() >= max_patterns) {
            ++dropped_;
            patterns_.erase(std::min_element(
                patterns_.begin(),
                patterns_.end(),
                [](const auto& a, const auto& b) { return a.second.last_seen < b.second.last_seen; }
            ));
        }
        found = patterns_.try_emplace(std::move(wanted)).first;
        std::tie(
            found->second.database,
            found->second.user,
            found->second.application,
            found->second.fingerprint
        ) = found->first;
        found->second.query = printable_text(run.query, longest_query);
    }
    auto& pattern = found->second;
    ++pattern.runs;
    pattern.repeats = run.repeats;
    pattern.last_seen = run.at;
    if (!run.parent.empty()) pattern.parent = printable_text(run.parent, longest_query);
    return is_new;
}

std::vector<n_plus_one_pattern> n_plus_one_book::patterns() const {
    std::vector<n_plus_one_pattern> all;
    {
        const std::lock_guard lock{mutex_};
        for (const auto& [where, pattern] : patterns_)
            all.push_back(pattern);
    }
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
        return a.last_seen > b.last_seen;
    });
    return all;
}

std::uint64_t n_plus_one_book::dropped() const {
    const std::lock_guard lock{mutex_};
    return dropped_;
}

std::string n_plus_one_line(const n_plus_one_run& run) {
    json_writer json;
    json.begin_object();
    json.key("ts").text(rfc3339(run.at));
    json.key("level").text("warning");
    json.key("event").text("n_plus_one");
    json.key("request_id").text(name(run.request_id));
    json.key("client").text(name(run.client));
    json.key("database").text(name(run.database));
    json.key("user").text(name(run.user));
    json.key("application").text(name(run.application));
    json.key("fingerprint").text(fmt::format("{:016x}", run.fingerprint));
    json.key("query").text(printable_text(run.query, n_plus_one_book::longest_query));
    json.key("repeats").number(run.repeats);
    json.key("window_ms").milliseconds(run.window);
    if (run.parent_fingerprint != 0) {
        json.key("parent_fingerprint").text(fmt::format("{:016x}", run.parent_fingerprint));
        json.key("parent").text(printable_text(run.parent, n_plus_one_book::longest_query));
    }
    json.end_object();
    return json.take();
}

}  // namespace weir::daemon::insight
