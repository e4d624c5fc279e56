#include "pool/session_pins.hpp"

#include <algorithm>
#include <utility>

namespace weir::pool {
namespace {

/// PostgreSQL does it at once and for good, whatever becomes of the transaction.
bool is_immediate(left_behind reason) noexcept {
    return reason == left_behind::sql_prepare || reason == left_behind::advisory_lock ||
           reason == left_behind::sequence_value;
}

}  // namespace

void session_pins::add(left_behind reason, std::string_view name) {
    if (pins_.size() >= max_names) name = {};
    held_ |= reason;
    const bool is_new = !is_immediate(reason);
    const auto known = std::find_if(pins_.begin(), pins_.end(), [&](const pin& one) {
        return one.reason == reason && one.name == name && !one.is_gone;
    });
    if (known != pins_.end()) return;
    pins_.push_back({reason, std::string{name}, is_new, false});
    staged_ = staged_ || is_new;
}

void session_pins::remove(left_behind reason, std::string_view name) {
    if (name.empty()) return;
    for (pin& one : pins_) {
        if (one.reason == reason && one.name == name) end(one);
    }
    if (is_immediate(reason)) settle();
}

void session_pins::remove_all(left_behind reason) {
    for (pin& one : pins_) {
        if (one.reason == reason) end(one);
    }
    if (is_immediate(reason)) settle();
}

bool session_pins::holds(left_behind reason, std::string_view name) const noexcept {
    return !name.empty() && std::any_of(pins_.begin(), pins_.end(), [&](const pin& one) {
        return one.reason == reason && one.name == name && !one.is_gone;
    });
}

void session_pins::end(pin& one) {
    one.is_gone = true;
    staged_ = staged_ || !is_immediate(one.reason);
}

void session_pins::clear() {
    pins_.clear();
    held_ = left_behind::nothing;
    staged_ = false;
}

void session_pins::on_commit() {
    std::erase_if(pins_, [](const pin& one) { return one.is_gone; });
    for (pin& one : pins_)
        one.is_new = false;
    staged_ = false;
    settle();
}

void session_pins::on_rollback() {
    std::erase_if(pins_, [](const pin& one) { return one.is_new; });
    for (pin& one : pins_)
        one.is_gone = false;
    staged_ = false;
    error_ = false;
    aborted_ = false;
    settle();
}

void session_pins::on_rollback_to() noexcept {
    for (pin& one : pins_)
        one.is_gone = false;
    error_ = false;
    aborted_ = false;
}

void session_pins::on_ready(char transaction_status) {
    if (transaction_status == 'I') {
        if (staged_) error_ || aborted_ ? on_rollback() : on_commit();
        aborted_ = false;
    } else {
        aborted_ = transaction_status == 'E';
    }
    error_ = false;
}

/// Immediate ones that are gone are forgotten; the rest make up what is held.
void session_pins::settle() {
    std::erase_if(pins_, [](const pin& one) { return one.is_gone && is_immediate(one.reason); });
    held_ = left_behind::nothing;
    for (const pin& one : pins_)
        held_ |= one.reason;
}

}  // namespace weir::pool
