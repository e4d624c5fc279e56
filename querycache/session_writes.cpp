// What a session's statements have written, until it is settled: the marks, and when versions move.
#include "querycache/session.hpp"

#include <algorithm>

namespace weir::querycache {

namespace {

/// Tags that say that a plain write touched no row. TRUNCATE, COPY and MERGE are not among them.
bool says_zero_rows(std::string_view tag) {
    return tag == "UPDATE 0" || tag == "DELETE 0" || tag == "INSERT 0 0";
}

}  // namespace

void cache_session::mark(const write_set& writes, std::uint64_t generation, bool alone) {
    if (writes.empty()) return;
    auto& versions = database_->versions();
    if (writes.everything) mark(versions.everything(), writes, alone);
    if (writes.catalog) mark(versions.catalog(), writes, alone);
    if (writes.cluster) {
        for (auto* slot : cache_.neighbours(*database_))
            mark(slot, writes, alone);
    }
    if (writes.slots.empty()) return;
    for (auto* slot : writes.slots)
        mark(slot, writes, alone);
    write_generation_ =
        write_generation_ == 0 ? generation : std::min(write_generation_, generation);
}

void cache_session::mark(version_slot* slot, const write_set& writes, bool alone) {
    for (auto& d : dirty_) {
        if (d.slot != slot) continue;
        d.last_cycle = cycles_sent_;
        d.alone = alone;
        d.zero_rows_are_nothing = d.zero_rows_are_nothing && writes.zero_rows_are_nothing;
        d.hidden_code = d.hidden_code || writes.hidden_code;
        d.cluster = d.cluster || writes.cluster;
        return;
    }
    slot->begin_write();
    dirty_.push_back(
        {slot,
         cycles_sent_,
         cycles_sent_,
         alone,
         writes.zero_rows_are_nothing,
         writes.hidden_code,
         writes.cluster}
    );
}

bool cache_session::rests_in_transaction() const {
    return status_ == 'T' && cycles_sent_ == cycles_done_ && cycles_done_ > 0 &&
           open_statements_ == 0;
}

bool cache_session::wants_lock_probe() const {
    const bool is_unknown = std::any_of(dirty_.begin(), dirty_.end(), is_of_unknown_extent);
    const bool was_asked = probed_cycle_ == cycles_done_ + 1;
    if (!rests_in_transaction() || was_asked || !is_unknown || hides_counts_ ||
        !cache_.lock_probe()) {
        return false;
    }
    const auto snapshot = database_->snapshot();
    return snapshot && snapshot->generation() == database_->catalog_version() &&
           snapshot->generation() != refused_probe_ && !snapshot->hidden().writes_beyond_locks &&
           cache_.totals().entries > 0;
}

void cache_session::on_lock_probe(const lock_probe::answer& told) {
    probed_cycle_ = cycles_done_ + 1;
    const auto snapshot = database_->snapshot();
    const bool is_current = rests_in_transaction() && snapshot &&
                            snapshot->generation() == database_->catalog_version();
    if (told.result == probe_result::failed) {
        // It would be so at each COMMIT, and each would be in PostgreSQL's log.
        if (snapshot) refused_probe_ = snapshot->generation();
        return cache_.count_probe(probe_result::failed);
    }
    // What the catalog does not know was made around the daemon: nobody knows of what it is a part.
    const auto is_known = [&](oid relation) { return snapshot->find(relation) != nullptr; };
    if (told.result != probe_result::narrowed || !is_current ||
        !std::all_of(told.written.begin(), told.written.end(), is_known)) {
        return cache_.count_probe(probe_result::everything);
    }
    // The new marks first: at no time is less pending than was written.
    for (const auto relation : snapshot->with_ancestors(told.written))
        mark_written(database_->versions().slot(relation));
    const auto generation = snapshot->generation();
    const auto oldest =
        write_generation_ == 0 ? generation : std::min(write_generation_, generation);
    remove_if(is_of_unknown_extent);
    write_generation_ = dirty_.empty() ? 0 : oldest;
    cache_.count_probe(probe_result::narrowed);
}

// By a cycle that has ended, in the transaction that is open.
void cache_session::mark_written(version_slot* slot) {
    for (auto& d : dirty_) {
        if (d.slot != slot) continue;
        d.alone = d.zero_rows_are_nothing = d.hidden_code = false;
        return;
    }
    slot->begin_write();
    dirty_.push_back({slot, cycles_done_ - 1, cycles_done_ - 1, false, false, false, false});
}

settlement cache_session::bump(std::uint64_t up_to_cycle) {
    settlement s;
    auto& versions = database_->versions();
    bool by_name = false;
    bool of_cluster = false;
    for (auto& d : dirty_) {
        if (d.first_cycle > up_to_cycle) continue;
        s.bumped = true;
        of_cluster |= d.cluster;
        s.catalog_suspect |= d.hidden_code;
        if (d.slot == versions.catalog()) {
            s.catalog_changed = true;
            d.slot->bump(bump_cause::ddl);
        } else if (d.slot == versions.everything()) {
            d.slot->bump(bump_cause::unknown_write);
        } else if (d.slot->relation() != 0) {
            by_name = true;
            d.slot->bump(bump_cause::write);
        }
    }
    if (of_cluster) {
        // Asked again: a database may have become known since the mark.
        for (auto* slot : cache_.neighbours(*database_))
            slot->bump(bump_cause::ddl);
    }
    if (by_name && catalog_moved()) versions.everything()->bump(bump_cause::ddl);
    return s;
}

bool cache_session::catalog_moved() const {
    // DDL of another session that has committed, and perhaps is not bumped yet, may have given our
    // tables triggers or other names since our write set was made. Its mark is older than its
    // commit, so it is seen here; the mark is read first, as everywhere.
    const auto* catalog = database_->versions().catalog();
    return catalog->pending() != 0 || catalog->version() != write_generation_;
}

template<class Settled>
void cache_session::remove_if(Settled settled) {
    const auto keep = [&settled](const dirty_slot& d) {
        if (!settled(d)) return false;
        d.slot->end_write();
        return true;
    };
    dirty_.erase(std::remove_if(dirty_.begin(), dirty_.end(), keep), dirty_.end());
    if (dirty_.empty()) write_generation_ = 0;
}

settlement cache_session::on_command_complete(std::string_view tag) {
    ++tags_;
    only_rollback_ = tags_ == 1 && tag == "ROLLBACK";
    if (dirty_.empty()) return {};
    const auto cycle = cycles_done_;
    if (tag == "COMMIT") {
        // What this very cycle wrote stays marked: in `UPDATE; COMMIT; BEGIN; UPDATE` it is not
        // known on which side of the COMMIT a table was written.
        auto s = bump(cycle);
        remove_if([cycle](const dirty_slot& d) { return d.last_cycle < cycle; });
        return s;
    }
    if (status_ != 'I') return {};
    // A simple statement alone commits before its tag is sent. Anything else outside a transaction
    // may have (VACUUM-like commands in the extended protocol do), so it is bumped and stays
    // marked.
    if (says_zero_rows(tag) && !catalog_moved()) {
        remove_if([cycle](const dirty_slot& d) {
            return d.alone && d.zero_rows_are_nothing && d.first_cycle == cycle &&
                   d.last_cycle == cycle;
        });
        if (dirty_.empty()) return {};
    }
    auto s = bump(cycle);
    remove_if([cycle](const dirty_slot& d) { return d.alone && d.last_cycle == cycle; });
    return s;
}

settlement cache_session::on_nothing_owed() {
    cycles_done_ = cycles_sent_;
    if (status_ != 'I' || dirty_.empty()) return {};
    auto s = bump(cycles_sent_);
    remove_if([](const dirty_slot&) { return true; });
    return s;
}

void cache_session::on_error(bool before_execution) {
    ++errors_;
    failed_early_ = before_execution;
}

void cache_session::forgive_failed(std::uint64_t cycle) {
    const bool is_lone = tags_ == 0 && errors_ == 1 && crowded_cycle_ <= cycle;
    if (!is_lone) return;
    // What never ran has written nothing. In a transaction the rest is not over: its end tells.
    // Outside of one what was rolled back is gone; but code of unknown extent may write outside of
    // its transaction (dblink, a procedure's COMMIT).
    const bool is_over = status_ == 'I';
    remove_if([&](const dirty_slot& d) {
        return d.first_cycle == cycle && d.last_cycle == cycle &&
               (failed_early_ || (is_over && d.slot->relation() != 0));
    });
}

settlement cache_session::on_ready(char status) {
    const auto cycle = cycles_done_;
    settlement s;
    if (!dirty_.empty()) forgive_failed(cycle);
    if (status == 'I' && !dirty_.empty()) {
        if (status_ != 'I' && only_rollback_) {
            // The transaction ended with nothing but a ROLLBACK in this cycle (to a savepoint, the
            // status would be T): what it wrote before is gone. Functions may have written outside
            // of it, so what is of unknown extent is bumped all the same.
            const auto undone = [&](const dirty_slot& d) {
                return d.last_cycle < cycle && d.slot->relation() != 0;
            };
            remove_if(undone);
        }
        s = bump(cycle);
        remove_if([cycle](const dirty_slot& d) { return d.last_cycle <= cycle; });
    }
    status_ = status;
    if (status == 'I') hides_counts_ = false;
    tags_ = 0;
    errors_ = 0;
    only_rollback_ = false;
    ++cycles_done_;
    if (cycles_sent_ < cycles_done_) {
        // A ReadyForQuery that nobody announced.
        cycles_sent_ = cycles_done_;
        open_statements_ = 0;
    }
    return s;
}

bool cache_session::may_commit_unseen() const {
    // Outside a transaction each statement commits by itself; in one nothing does before its end.
    if (status_ == 'I') return cycles_sent_ != cycles_done_ || open_statements_ != 0;
    return ending_cycle_ > cycles_done_;
}

settlement cache_session::on_server_lost() {
    settlement s;
    if (!dirty_.empty()) {
        s = bump(cycles_sent_);
        if (may_commit_unseen()) {
            std::vector<version_slot*> marked;
            marked.reserve(dirty_.size());
            for (const auto& d : dirty_)
                marked.push_back(d.slot);
            cache_.hold_in_doubt(std::move(marked));
            dirty_.clear();
            write_generation_ = 0;
        } else {
            remove_if([](const dirty_slot&) { return true; });
        }
    }
    status_ = 'I';
    only_reads_ = false;
    cycles_done_ = cycles_sent_;
    open_statements_ = 0;
    tags_ = 0;
    errors_ = 0;
    only_rollback_ = false;
    return s;
}

}  // namespace weir::querycache
