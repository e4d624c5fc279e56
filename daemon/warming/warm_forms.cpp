#include "daemon/warming/warm_forms.hpp"

#include "protocol/query.hpp"

#include <algorithm>
#include <utility>

namespace weir::daemon {

namespace {

/// Until what has been answered and was never kept is asked for again: beyond longest_wait, as it
/// costs a whole reply each time.
constexpr std::chrono::minutes vain_wait{10};

}  // namespace

std::string_view warm_asker::application() const {
    const auto* const name = settings.find("application_name");
    return name == nullptr ? std::string_view{} : std::string_view{name->value};
}

warm_request::warm_request(const querycache::request& from)
    : shape{from.shape},
      text{from.text},
      parameter_types{from.parameter_types},
      bind_tail{from.bind_tail} {}

bool warm_request::has_values() const {
    if (shape == querycache::reply_shape::simple) return false;
    protocol::bind_values values;
    return protocol::decode_bind_values(bind_tail, values) || !values.parameters.empty();
}

void warm_forms::set_texts(std::vector<warm_text> texts, time_point now) {
    const std::lock_guard guard{lock_};
    std::vector<known_text> before = std::exchange(texts_, {});
    for (auto& one : texts) {
        known_text next;
        const auto same = std::find_if(before.begin(), before.end(), [&](const known_text& old) {
            return old.is.rule == one.rule && old.is.text == one.text;
        });
        if (same != before.end()) next = std::move(*same);
        next.is = std::move(one);
        std::erase_if(next.forms, [&](const known_form& form) {
            const auto& kept = next.is.by_file;
            return form.is_by_file && std::find(kept.begin(), kept.end(), form.form) == kept.end();
        });
        for (const auto& form : next.is.by_file) {
            const auto known =
                std::find_if(next.forms.begin(), next.forms.end(), [&](const known_form& other) {
                    return other.form == form;
                });
            if (known != next.forms.end()) {
                known->is_by_file = true;
            } else {
                add(next, form, true, now);
            }
        }
        // What failed may have been corrected with the configuration.
        for (auto& form : next.forms) {
            form.failures = 0;
            form.not_before = now;
        }
        next.is_well = true;
        texts_.push_back(std::move(next));
    }
}

bool warm_forms::empty() const {
    const std::lock_guard guard{lock_};
    return texts_.empty();
}

bool warm_forms::has_rule(std::string_view rule) const {
    const std::lock_guard guard{lock_};
    return std::any_of(texts_.begin(), texts_.end(), [&](const known_text& text) {
        return text.is.rule == rule;
    });
}

std::size_t warm_forms::size() const {
    const std::lock_guard guard{lock_};
    std::size_t sum = 0;
    for (const auto& text : texts_)
        sum += text.forms.size();
    return sum;
}

void warm_forms::learn(
    std::string_view rule,
    const warm_asker& who,
    const querycache::entry_ref& kept,
    std::uint64_t asked_as,
    time_point now
) {
    const std::string_view key = kept->key();
    if (key.size() + who.settings.bytes() > largest_form) return;
    const auto asked = querycache::request_of(key);
    if (!asked) return;
    const std::lock_guard guard{lock_};
    if (asked_as != 0) {
        if (auto* const form = find_form(asked_as, nullptr)) {
            form->at = {std::string{key}, kept->hash(), kept};
            form->was_stored = true;
        }
        return;
    }
    auto* const text = find_text(rule, querycache::bare_text(asked->text));
    if (text == nullptr) return;
    // The same entry in other words (a setting that is the default, another name of the database)
    // is the same form; so is the same in words when the place has moved, as after a restart.
    // Where an entry is shared it is asked for as who was answered last: others may have lost their
    // rights. (The file's own forms stay; one that fails leaves the place to a learnt one.)
    const warm_form form{who, warm_request{*asked}};
    const auto is_same = [&](const known_form& other) { return other.form == form; };
    const auto is_alike = [&](const known_form& other) {
        return other.at.key == key && !(other.is_by_file && other.failures > 0);
    };
    auto found = std::find_if(text->forms.begin(), text->forms.end(), is_same);
    if (found == text->forms.end()) {
        found = std::find_if(text->forms.begin(), text->forms.end(), is_alike);
    }
    auto& known = found != text->forms.end() ? *found : add(*text, form, false, now);
    if (!known.is_by_file) known.form = form;
    known.at = {std::string{key}, kept->hash(), kept};
    known.failures = known.unused = 0;
    known.used_at = known.not_before = now;
}

std::vector<warm_forms::job> warm_forms::due(
    time_point now, const std::function<bool(const warm_form&, const place&)>& is_there
) {
    std::vector<job> found;
    const std::lock_guard guard{lock_};
    for (auto& text : texts_) {
        std::erase_if(text.forms, [now](const known_form& form) {
            return !form.is_by_file && form.under_way == 0 && now - form.used_at > remembered;
        });
        for (auto& form : text.forms) {
            if (form.under_way > 0) continue;
            if (form.at.last && form.at.last->uses() > 0) {
                form.used_at = now;
                form.unused = 0;
                form.not_before = std::min(form.not_before, now);
            }
            if (!form.at.key.empty() && is_there(form.form, form.at)) continue;
            form.at.last = nullptr;
            if (now >= form.not_before) found.push_back(begin(text, form));
        }
    }
    return found;
}

std::vector<warm_forms::job> warm_forms::all_of(std::string_view rule) {
    std::vector<job> found;
    const std::lock_guard guard{lock_};
    for (auto& text : texts_) {
        if (text.is.rule != rule) continue;
        for (auto& form : text.forms) {
            form.failures = form.unused = 0;
            found.push_back(begin(text, form));
        }
    }
    return found;
}

warm_forms::verdict warm_forms::ended(std::uint64_t id, outcome how, time_point now) {
    const std::lock_guard guard{lock_};
    known_text* text = nullptr;
    auto* const form = find_form(id, &text);
    if (form == nullptr) return {};
    if (form->under_way > 0) --form->under_way;
    if (how == outcome::not_asked) {
        form->not_before = now + shortest_wait;
        return {};
    }
    verdict result;
    result.is_kept = how == outcome::answered && form->was_stored;
    if (result.is_kept) {
        form->failures = 0;
        form->not_before = now + wait_after(++form->unused);
        text->is_well = true;
    } else {
        form->not_before = now + wait_after(++form->failures);
        // A reply that is too large was fetched all the same.
        const bool is_in_vain = how == outcome::answered && form->at.key.empty();
        if (is_in_vain && form->failures >= vain_tries) form->not_before = now + vain_wait;
        // A write in between is no news.
        const bool is_wrong =
            how == outcome::failed || (form->at.key.empty() && form->failures >= vain_tries);
        result.is_news = is_wrong && std::exchange(text->is_well, false);
    }
    return result;
}

warm_forms::known_text* warm_forms::find_text(std::string_view rule, std::string_view bare) {
    const auto found = std::find_if(texts_.begin(), texts_.end(), [&](const known_text& text) {
        return text.is.rule == rule && text.is.text == bare;
    });
    return found == texts_.end() ? nullptr : &*found;
}

warm_forms::known_form* warm_forms::find_form(std::uint64_t id, known_text** in) {
    for (auto& text : texts_) {
        for (auto& form : text.forms) {
            if (form.id != id) continue;
            if (in != nullptr) *in = &text;
            return &form;
        }
    }
    return nullptr;
}

warm_forms::known_form& warm_forms::add(
    known_text& to, warm_form form, bool is_by_file, time_point now
) {
    if (!is_by_file) make_room(to);
    known_form made;
    made.id = ++last_id_;
    made.form = std::move(form);
    made.is_by_file = is_by_file;
    made.used_at = now;
    made.not_before = now;
    return to.forms.emplace_back(std::move(made));
}

void warm_forms::make_room(known_text& in) {
    const auto is_learnt = [](const known_form& form) { return !form.is_by_file; };
    auto& forms = in.forms;
    const auto learnt = std::count_if(forms.begin(), forms.end(), is_learnt);
    if (static_cast<std::size_t>(learnt) < most_learnt) return;
    auto oldest = forms.end();
    for (auto at = forms.begin(); at != forms.end(); ++at) {
        if (is_learnt(*at) && (oldest == forms.end() || at->used_at < oldest->used_at)) oldest = at;
    }
    forms.erase(oldest);
}

std::chrono::seconds warm_forms::wait_after(unsigned times) {
    constexpr unsigned enough = 6;  // 2^6 s are more than the longest
    return std::min(longest_wait, shortest_wait * (1U << std::min(times - 1, enough)));
}

warm_forms::job warm_forms::begin(const known_text& text, known_form& form) {
    ++form.under_way;
    form.was_stored = false;
    return {form.id, text.is.rule, text.is.index, form.form};
}

}  // namespace weir::daemon
