#include "pool/accepted_values.hpp"

namespace weir::pool {
namespace {

std::string key_of(const setting& one) {
    return one.name + '\0' + one.value;
}

bool is_kept(const setting& one) {
    return one.form == value_form::raw && one.name != "role" &&
           one.name != "session_authorization" &&
           one.name.size() + one.value.size() <= accepted_values::max_value_bytes;
}

}  // namespace

void accepted_values::add(const settings& asked, const settings& spelled) {
    const std::lock_guard guard{lock_};
    for (const auto& one : asked.all()) {
        const auto* const now = spelled.find(one.name);
        if (now == nullptr || !is_kept(one) || !is_kept(*now)) continue;
        if (spellings_.size() >= max_values) spellings_.clear();
        spellings_.insert_or_assign(key_of(one), now->value);
    }
}

std::optional<std::string> accepted_values::find(const setting& asked) const {
    if (!is_kept(asked)) return std::nullopt;
    const std::lock_guard guard{lock_};
    const auto found = spellings_.find(key_of(asked));
    return found == spellings_.end() ? std::nullopt : std::optional{found->second};
}

void accepted_values::clear() {
    const std::lock_guard guard{lock_};
    spellings_.clear();
}

}  // namespace weir::pool
