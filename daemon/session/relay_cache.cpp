// What the relay asks the cache and tells it: which cache is this client's, whether memory answers,
// and what a statement that goes to a server may fill or outdate.

#include "daemon/cache_databases.hpp"
#include "daemon/net/worker.hpp"
#include "daemon/session/relay.hpp"
#include "daemon/warming/warm_forms.hpp"
#include "pool/text_rules.hpp"
#include "protocol/ascii.hpp"
#include "querycache/cache.hpp"

#include <algorithm>
#include <bit>
#include <chrono>

namespace weir::daemon {

namespace {

namespace sql = querycache::sql;
using querycache::bypass_reason;
using std::chrono::steady_clock;

}  // namespace

void relay::adopt_cache() {
    if (session_ == nullptr || state_ == state::greeting) return;
    // What is still written there belongs to the old database's state; release() comes back here.
    if (cache_ && is_on_old_place()) return;
    services& shared = home().shared();
    auto* const known = shared.cached.find(database(), *home().configuration(), pool_->target());
    if (cache_ && cache_->database() == known) return;
    if (cache_) {
        // The name leads to another database now (failover, DROP and CREATE): what is marked in the
        // old one is settled.
        settle(cache_->on_server_lost());
        capture_.reset();
        cache_.reset();
    }
    awaits_catalog_ =
        known == nullptr &&
        !shared.cache.rules()->for_session(database(), user(), application()).rules.empty();
    if (known == nullptr) return;
    cache_ = std::make_unique<querycache::cache_session>(shared.cache, home().bindings());
    const auto target = pool_->target();
    std::string defaults = target->options;
    if (!target->connect_query.empty()) {
        defaults.push_back('\0');
        defaults += target->connect_query;
    }
    cache_->set_warming(session_->is_own());
    cache_->set_identity(*known, database(), user(), application(), {target->user, defaults});
    refresh_cache_settings();
    if (server_ && !server_->pipeline().is_idle()) {
        // What this transaction has written before nobody watched is not known: it may be anything,
        // and it is settled with the last reply that is owed.
        const auto& pipeline = server_->pipeline();
        for (std::size_t i = 0; i < pipeline.size(); ++i) {
            const auto kind = pipeline.at(i).kind;
            if (kind == protocol::request_kind::sync || kind == protocol::request_kind::query ||
                kind == protocol::request_kind::function_call) {
                cache_->end_of_cycle();
            }
        }
        (void)cache_->begin_statement(
            unknown_extended(), text_facts{}.context(std::nullopt), steady_clock::now()
        );
    }
}

// The value that the setting has for this client, as PostgreSQL reports it.
std::string_view relay::look_of(std::string_view name, std::string& buffer) const {
    const auto* const wanted = effects_.settings().current().find(name);
    if (wanted != nullptr && wanted->form == pool::value_form::raw) {
        return buffer = pool::as_reported(*wanted);
    }
    if (server_ && !effects_.is_applying()) {
        const auto* const reported = server_->session().settings.reported(name);
        return reported == nullptr ? std::string_view{} : std::string_view{*reported};
    }
    if (wanted != nullptr) return buffer = pool::as_reported(*wanted);
    if (const auto greeting = pool_->greeting()) {
        for (const auto& [known, value] : *greeting) {
            if (protocol::same_letters(known, name)) return buffer = value;
        }
    }
    return {};
}

void relay::refresh_cache_settings() {
    if (!cache_) return;
    const auto key =
        cached_.adopt(effects_.settings(), [this](std::string_view name, std::string& buffer) {
            return look_of(name, buffer);
        });
    cache_->set_settings(
        {key.signature, key.without_custom, key.is_understood, key.has_default_isolation}
    );
}

// Before a reply is kept: the server must have written it as the key says. It may have another
// default since its configuration was loaded again, and tells with the reply.
void relay::check_looks() {
    if (server_->session().settings.looks() == cached_.looks()) return;
    capture_.reset();
    refresh_cache_settings();
}

// Its rule wants it ready: as this client asks for it, others will.
void relay::learn_form(const querycache::entry& kept) {
    home().shared().warm.learn(
        kept.rule().name(),
        {database(), user(), effects_.settings().current()},
        querycache::entry_ref{&kept},
        session_->warm_form(),
        steady_clock::now()
    );
}

bool relay::is_read_alike(std::string_view text) const {
    const bool is_applying = effects_.is_applying();
    return texts_.reads_alike(
        text, server_->session().settings, is_applying ? &effects_.settings().current() : nullptr
    );
}

// What a server has prepared it does not read again, so its Bind cannot be judged by the settings
// of that time.
void relay::note_prepared(std::string_view text) {
    if (!is_read_alike(text)) server_->session().read_otherwise = true;
}

void relay::settle(const querycache::settlement& settlement) {
    if (settlement.catalog_changed || settlement.catalog_suspect) {
        home().shared().cached.refresh(database(), settlement.catalog_changed);
    }
}

bool relay::serve_query_from_cache(std::string_view text) {
    if (!cache_ || !cache_->may_hit()) return false;
    querycache::request request;
    request.text = text;
    const auto hit = cache_->quick_hit(request, account_.started());
    if (!hit) return false;
    tell_hit(hit, text, {});
    return true;
}

// What the batch asks for, if it is one that memory may answer.
std::optional<relay::batch_question> relay::read_question(const request_batch& whole) const {
    const auto shape = whole.reply_shape();
    if (!shape) return std::nullopt;
    batch_question asked;
    asked.parses = whole.first() == 'P';
    protocol::bind_message bind;
    if (protocol::decode(whole.body(asked.parses ? 1 : 0), bind)) return std::nullopt;
    auto& request = asked.request;
    request.shape = *shape;
    request.bind_tail = bind.tail;
    if (!asked.parses) {
        asked.known = names_.find(bind.statement);
        if (asked.known == nullptr || asked.known->statement->settings != settings_now()) {
            return std::nullopt;
        }
        request.text = asked.known->statement->text;
        request.parameter_types = asked.known->statement->parameter_types;
        return asked;
    }
    auto& parse = asked.parse;
    if (protocol::decode(whole.body(0), parse) || parse.name != bind.statement) {
        return std::nullopt;
    }
    // In session mode the names are the server's own, so it must see each Parse of one. An unnamed
    // statement that it has not seen is made up for at the next Bind.
    if (!parse.name.empty() && (!is_transaction_mode() || names_.find(parse.name) != nullptr)) {
        return std::nullopt;
    }
    request.text = parse.text;
    request.parameter_types = parse.parameter_types;
    return asked;
}

// Answers the batch, or notes in unit_shape_ that its answer may be kept.
bool relay::serve_batch_from_cache(const request_batch& whole) {
    if (!cache_) return false;
    unit_shape_ = whole.reply_shape();
    if (!unit_shape_ || !cache_->may_hit()) return false;
    const auto asked = read_question(whole);
    if (!asked) return false;
    const auto hit = cache_->quick_hit(asked->request, account_.started());
    if (!hit) return false;
    std::string before;
    if (asked->parses) {
        text_facts facts;
        // An entry exists, so the text was parsed here or elsewhere; if this thread has to ask
        // first, it asks.
        if (!find_facts(asked->parse.text, facts)) return false;
        auto statement = make_client_statement(asked->parse, std::move(facts));
        if (names_.parse_here(asked->parse.name, std::move(statement))) return false;
        protocol::write_parse_complete(before);
    }
    tell_hit(hit, asked->request.text, before);
    if (session_ == nullptr) return true;
    names_.end_segment();
    session_->input().consume(whole.size());
    unit_shape_.reset();
    return true;
}

// Temporary tables and the like may stand before what the catalog knows. In transaction mode a
// server is wiped of what is only suspected before the client's next transaction; in session mode
// it stays.
bool relay::leaves_traces() const {
    return effects_.is_pinned() || effects_.may_pin() ||
           (!is_transaction_mode() && effects_.is_dirty());
}

// In session mode, and in a transaction, a client keeps its server; memory answers all the same
// while nothing is under way there. What has rows left there would be fetched from in its place.
bool relay::may_answer_linked() const {
    if (!cache_ || !cache_->may_hit() || leaves_traces()) return false;
    const bool is_open = cache_->transaction_status() == 'T';
    return is_open ? server_->pipeline().is_quiet() && !portals_.unnamed_has_more()
                   : !is_transaction_mode() && server_->pipeline().is_idle();
}

// One miss at a time: true when somebody fetches the same, and the request is to be looked at again
// when that has ended. Nobody holds a server while he waits. `facts` are of the request's text.
bool relay::awaits_flight(const querycache::request& request, const text_facts& facts) {
    if (!cache_ || server_ || flight_.goes_alone()) return false;
    const auto key = cache_->fill_key(request, facts.context(std::nullopt));
    if (!key) return false;
    const bool is_waiting = flight_.take(
        home().shared().cache.flights().lead_or_wait(
            *key,
            [where = &home(),
             id = session_->id(),
             ticket = flight_.next_ticket()](querycache::landing how) {
                where->with_session(id, [ticket, how](client_session& session) {
                    auto* const phase = dynamic_cast<relay*>(session.phase());
                    if (phase != nullptr) phase->on_landing(ticket, how);
                });
            }
        ),
        *key
    );
    if (is_waiting) start_ticking();
    return is_waiting;
}

// `facts`: of its Parse, if it begins with one.
bool relay::awaits_flight_of(const request_batch& whole, const text_facts& facts) {
    if (!cache_ || server_ || !unit_shape_) return false;
    const auto asked = read_question(whole);
    if (!asked) return false;
    if (asked->parses) return awaits_flight(asked->request, facts);
    if (!asked->known->facts) return false;
    return awaits_flight(
        asked->request, *std::static_pointer_cast<const text_facts>(asked->known->facts)
    );
}

// The client, or its time, has ended the wait. False: there was none.
bool relay::cancel_flight_wait() {
    if (!flight_.cancel()) return false;
    const client_error told = canceled_by();
    is_overdue_ = false;
    note_waiting();
    fail_query(told.sqlstate);
    fail_statement(told);
    return true;
}

// It looks again.
void relay::on_landing(std::uint64_t ticket, querycache::landing how) {
    if (session_ == nullptr || !flight_.on_landing(ticket, how)) return;
    process();
    if (session_ != nullptr) session_->resume_reading();
}

// No server can be had: an entry past its time may do, where a rule says so.
bool relay::answer_stale() {
    if (!cache_) return false;
    const std::string_view bytes = session_->input().unread();
    protocol::frame_header header;
    if (protocol::parse_frontend_header(bytes, false, header) !=
            protocol::header_result::complete ||
        bytes.size() < header.size()) {
        return false;
    }
    cache_->take_stale(true);
    bool is_served = false;
    protocol::query_message query;
    request_batch whole;
    if (header.type == 'Q') {
        const auto body = bytes.substr(protocol::frame_header_size, header.body_size());
        is_served = !protocol::decode(body, query) && serve_query_from_cache(query.text);
        if (is_served && session_ != nullptr) {
            session_->input().consume(header.size());
            names_.end_segment();
        }
    } else if (header.type == 'P' || header.type == 'B') {
        is_served = whole.read(bytes) == 0 && whole.is_short() && serve_batch_from_cache(whole);
    }
    if (session_ == nullptr) return true;
    cache_->take_stale(false);
    if (!is_served) return false;
    flight_.land(querycache::landing::look_again);
    state_ = state::idle;
    process();
    return true;
}

void relay::tell_hit(const querycache::hit& hit, std::string_view text, std::string_view before) {
    session_->output().add_copy(before);
    std::string_view reply = hit.reply->reply();
    // An entry ends as outside of a transaction: the last byte is ReadyForQuery's status.
    const bool is_open = cache_->transaction_status() == 'T';
    if (is_open) reply.remove_suffix(1);
    session_->output().add_view(reply);
    if (is_open) session_->output().add_copy("T");
    flight_.forget();
    // Now, while the entry is held: what does not go at once is copied.
    if (!session_->flush_soon()) return;
    const auto now = steady_clock::now();
    hit.rule().count_hit_time(now - account_.started());
    last_.note_hit(*hit.reply, now);
    const auto who = [&] {
        note_text(text);
        account_.note_rule(hit.rule().name());
        return asker();
    };
    // The key's hash is one of text and values.
    account_.finish_hit(
        home().observer(),
        counters_,
        now,
        {hit.reply->rows(),
         hit.reply->reply().size(),
         hit.reply->fingerprint(),
         hit.reply->hash().low,
         hit.reply->cost()},
        !is_open,
        who
    );
}

// A shape that ends with Sync, for statements of which nothing more is known.
querycache::request relay::unknown_extended() {
    querycache::request request;
    request.shape = querycache::reply_shape::extended;
    return request;
}

std::optional<bypass_reason> relay::refusal(bool whole_unit) const {
    if (leaves_traces()) return bypass_reason::pinned;
    // A standby may lag behind; what is read at a place that a reload has left is not this
    // database's.
    if (server_->session().on_standby || is_on_old_place()) return bypass_reason::catalog_missing;
    if (server_->session().ran_unknown_code) return bypass_reason::unknown_code;
    if (!whole_unit) return bypass_reason::pipelined;
    return std::nullopt;
}

// A read before the catalog of its database is known.
void relay::count_unwatched(const text_facts& facts) {
    if (!facts.statement || facts.statement->kind != insight::query_kind::read) return;
    home().shared().cache.reasons().count(
        bypass_reason::catalog_missing, facts.statement->normalised, steady_clock::now()
    );
    account_.note_cache(insight::cache_outcome::bypass);
}

// Why memory will not answer it, as far as the text tells.
std::optional<bypass_reason> relay::reason_without_cache(const text_facts& facts) const {
    if (awaits_catalog_) return bypass_reason::catalog_missing;
    if (!facts.statement || facts.statement->kind != insight::query_kind::read) return std::nullopt;
    const auto reasons = facts.statement->reasons | facts.call_reasons;
    if (reasons == 0) return bypass_reason::no_rule;
    return querycache::from_text(static_cast<sql::text_reason>(std::countr_zero(reasons)));
}

// What a plan as the pool's user would not be a plan of.
bool relay::is_in_own_world() const {
    const auto& settings = effects_.settings();
    if (settings.has_staged() || leaves_traces()) return true;
    const auto& current = settings.current();
    if (current.signature() == 0) return false;
    return current.find("role") != nullptr || current.find("session_authorization") != nullptr ||
           current.find("search_path") != nullptr || current.find("row_security") != nullptr;
}

// What makes this call another one than the last of its statement.
void relay::note_parameters(const querycache::request& request, const text_facts& facts) {
    if (!facts.statement || facts.statement->kind != insight::query_kind::read) return;
    if (!home().observer().watches_repeats()) return;
    const bool is_query = request.shape == querycache::reply_shape::simple;
    const auto bytes = is_query ? request.text : request.bind_tail;
    account_.note_parameters(sql::keyed_hash(bytes, home().memo_key()).low | 1U);
}

void relay::begin_cached(
    const querycache::request& request,
    const text_facts& facts,
    std::optional<bypass_reason> refused
) {
    const auto& session = server_->session();
    account_.note_run(is_in_own_world());
    note_parameters(request, facts);
    if (home().observer().keeps_texts()) {
        account_.keep_text(facts, request.text, request.parameter_types, request.bind_tail);
    }
    texts_.meet(session.settings);
    const bool is_query = request.shape == querycache::reply_shape::simple;
    if (is_query ? !is_read_alike(request.text) : session.read_otherwise) {
        if (cache_) effects_.leave_unknown();
        texts_.doubt();
        account_.note_unreadable();
        return begin_known(request, {}, refused);
    }
    texts_.on_sent(facts, session.ran_unknown_code);
    begin_known(request, facts, refused);
}

void relay::begin_known(
    const querycache::request& request,
    const text_facts& facts,
    std::optional<bypass_reason> refused
) {
    bool& is_tainted = server_->session().ran_unknown_code;
    if (!cache_) {
        flight_.land(querycache::landing::look_again);
        if (awaits_catalog_) count_unwatched(facts);
        account_.note_reason(reason_without_cache(facts));
        last_.note_unwatched(
            awaits_catalog_ ? bypass_reason::catalog_missing : bypass_reason::no_rule,
            facts.statement
        );
        // Without a catalog the text alone has to tell that it calls nothing.
        is_tainted = is_tainted || !facts.statement || facts.statement->writes_unknown;
        return;
    }
    auto decision = cache_->begin_statement(request, facts.context(refused), steady_clock::now());
    last_.note_decision(decision, facts.statement);
    account_.note_reason(decision.reason);
    capture_ = std::move(decision.fill);
    if (capture_) {
        auto lead = flight_.hand_on();
        lead.note_running();
        capture_->carry(std::move(lead));
    } else {
        flight_.land(querycache::landing::go_alone);
    }
    // A server is wiped when somebody wants to keep what is read there, not before: who calls
    // functions all the time pays nothing. In session mode the server stays as it is.
    if (is_tainted && !decision.rule.empty()) effects_.leave_unknown();
    if (decision.runs_unknown_code) {
        is_tainted = true;
        texts_.doubt();
        if (!is_transaction_mode()) effects_.leave_unknown();
    }
    account_.note_rule(decision.rule);
    if (capture_) {
        account_.note_cache(insight::cache_outcome::miss);
    } else if (!decision.rule.empty()) {
        account_.note_cache(insight::cache_outcome::bypass);
    }
}

}  // namespace weir::daemon
