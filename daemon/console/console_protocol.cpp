#include "daemon/console/console_protocol.hpp"

#include "protocol/error_fields.hpp"
#include "protocol/query.hpp"
#include "protocol/row.hpp"
#include "protocol/sqlstate.hpp"
#include "protocol/status.hpp"

#include <bit>
#include <charconv>
#include <utility>

namespace weir::daemon::console {

namespace {

namespace sqlstate = protocol::sqlstate;

std::string big_endian(std::uint64_t number, std::size_t bytes) {
    std::string out(bytes, '\0');
    for (std::size_t i = bytes; i > 0; --i, number >>= 8)
        out[i - 1] = static_cast<char>(number & 0xff);
    return out;
}

/// The binary form of a text value. What is not the number that its column says is sent as it is:
/// no command makes such a value.
std::string to_binary(std::uint32_t type_oid, const std::string& shown) {
    const char* const end = shown.data() + shown.size();
    if (type_oid == protocol::float8_oid) {
        double parsed = 0;
        std::from_chars(shown.data(), end, parsed);
        return big_endian(std::bit_cast<std::uint64_t>(parsed), 8);
    }
    if (type_oid == protocol::int8_oid || type_oid == protocol::int4_oid) {
        std::int64_t parsed = 0;
        std::from_chars(shown.data(), end, parsed);
        const std::size_t bytes = type_oid == protocol::int8_oid ? 8 : 4;
        return big_endian(static_cast<std::uint64_t>(parsed), bytes);
    }
    return shown;
}

std::int16_t format_of(const std::vector<std::int16_t>& formats, std::size_t column) {
    if (formats.empty()) return 0;
    return formats.size() == 1 ? formats[0] : formats[column];
}

void write_columns(
    columns::list columns, const std::vector<std::int16_t>& formats, std::string& out
) {
    std::vector<protocol::field_description> fields;
    for (std::size_t i = 0; i < columns.size(); ++i) {
        protocol::field_description field;
        field.name = columns[i].name;
        field.type_oid = columns[i].type_oid;
        field.type_size = -1;
        if (field.type_oid == protocol::int4_oid) field.type_size = 4;
        if (field.type_oid == protocol::int8_oid || field.type_oid == protocol::float8_oid) {
            field.type_size = 8;
        }
        field.format = format_of(formats, i);
        fields.push_back(field);
    }
    protocol::write_row_description(out, fields);
}

void write_row(
    const row& values,
    columns::list columns,
    const std::vector<std::int16_t>& formats,
    std::string& out
) {
    std::vector<std::string> binary(values.size());
    std::vector<std::optional<std::string_view>> views(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!values[i]) continue;
        if (format_of(formats, i) == 0) {
            views[i] = *values[i];
        } else {
            views[i] = binary[i] = to_binary(columns[i].type_oid, *values[i]);
        }
    }
    protocol::write_data_row(out, views);
}

void write_notices(const std::vector<notice>& notices, std::string& out) {
    for (const auto& one : notices) {
        protocol::error_fields fields;
        fields.severity = one.severity;
        fields.code = one.severity == "WARNING" ? "01000" : "00000";
        fields.message = one.message;
        fields.detail = one.detail;
        fields.hint = one.hint;
        protocol::write_notice_response(out, fields);
    }
}

client_error unknown_name(std::string_view state, std::string_view kind, std::string_view name) {
    return make_error(
        state,
        std::string{kind} + " \"" + std::string{name} + "\" does not exist",
        "Prepare or bind it first; a console session remembers it until Close or the end."
    );
}

client_error too_many(std::string_view kind) {
    return make_error(
        sqlstate::configuration_limit_exceeded,
        "too many " + std::string{kind} + " in one console session",
        "Close those that are not needed any more."
    );
}

client_error no_parameters() {
    return make_error(
        sqlstate::protocol_violation,
        "console commands take no parameters",
        "Write the value into the command's text."
    );
}

client_error malformed(std::string_view message) {
    return make_error(
        sqlstate::protocol_violation,
        "malformed " + std::string{message} + " message",
        "The driver broke the protocol: report this with its name and version."
    );
}

std::string tag_of(const command& what, const result& r) {
    return r.tag.empty() ? std::string{what.first_keyword()} : r.tag;
}

}  // namespace

// --- both protocols ---

console_protocol::wish console_protocol::on_message(
    char type, std::string_view body, std::string& out
) {
    switch (type) {
        case 'Q':
            return on_query(body, out);
        case 'P':
        case 'B':
        case 'D':
        case 'E':
        case 'C':
            return on_extended(type, body, out);
        case 'S':
            skips_to_sync_ = false;
            if (transaction_status_ == 'I') portals_.clear();
            protocol::write_ready_for_query(out, transaction_status_);
            return wish::next;
        case 'H':  // everything is sent at once anyway
        case 'd':  // rests of a COPY that was never begun: PostgreSQL ignores them, too
        case 'c':
        case 'f':
            return wish::next;
        case 'F':
            write_error(
                out,
                make_error(
                    sqlstate::feature_not_supported,
                    "the console has no functions to call",
                    "SHOW HELP lists its commands."
                )
            );
            protocol::write_ready_for_query(out, transaction_status_);
            return wish::next;
        case 'X':
            return wish::close;
        default:
            return violation(std::string{"message type "} + type, out);
    }
}

console_protocol::wish console_protocol::violation(std::string_view what, std::string& out) {
    write_error(out, protocol_violation(what));
    return wish::close;
}

void console_protocol::follow_transaction(command_id id) {
    if (id == command_id::begin) transaction_status_ = 'T';
    if (id == command_id::commit || id == command_id::rollback) transaction_status_ = 'I';
}

console_protocol::wish console_protocol::on_result(result r, std::string& out) {
    const command what = *std::exchange(running_, std::nullopt);
    write_notices(r.notices, out);
    if (!r.error) follow_transaction(what.entry->id);
    if (is_extended_) {
        if (r.error) {
            write_error(out, *r.error);
            skips_to_sync_ = true;
            return wish::next;
        }
        auto& from = portals_[executing_];
        from.answer = std::move(r);
        send_rows(from, out);
        return wish::next;
    }
    if (r.error) {
        write_error(out, *r.error);
        return end_query(out);
    }
    const auto columns = what.columns();
    if (!columns.empty()) write_columns(columns, {}, out);
    for (const auto& one : r.rows)
        write_row(one, columns, {}, out);
    protocol::write_command_complete(out, tag_of(what, r));
    return next_statement(out);
}

// --- simple ---

console_protocol::wish console_protocol::on_query(std::string_view body, std::string& out) {
    protocol::query_message query;
    if (decode(body, query)) return violation("malformed Query message", out);
    is_extended_ = false;
    skips_to_sync_ = false;
    auto split = split_statements(query.text);
    if (const auto* error = std::get_if<client_error>(&split)) {
        write_error(out, *error);
        return end_query(out);
    }
    if (std::get<0>(split).size() > most_statements) {
        write_error(
            out,
            make_error(
                sqlstate::program_limit_exceeded,
                "more than " + std::to_string(most_statements) + " commands in one query",
                "Send them in several queries."
            )
        );
        return end_query(out);
    }
    // All are understood before the first runs, as in PostgreSQL.
    for (const auto& statement : std::get<0>(split)) {
        auto parsed = parse_command(statement, is_admin_);
        if (const auto* error = std::get_if<client_error>(&parsed)) {
            write_error(out, *error);
            return end_query(out);
        }
        waiting_.push_back(std::move(std::get<command>(parsed)));
    }
    if (waiting_.empty()) protocol::write_empty_query_response(out);
    return next_statement(out);
}

console_protocol::wish console_protocol::next_statement(std::string& out) {
    if (waiting_.empty()) return end_query(out);
    running_ = std::move(waiting_.front());
    waiting_.pop_front();
    return wish::run;
}

console_protocol::wish console_protocol::end_query(std::string& out) {
    waiting_.clear();
    protocol::write_ready_for_query(out, transaction_status_);
    return wish::next;
}

// --- extended ---

console_protocol::wish console_protocol::on_extended(
    char type, std::string_view body, std::string& out
) {
    if (skips_to_sync_) return wish::next;
    is_extended_ = true;
    std::optional<client_error> error;
    std::optional<command> to_run;
    switch (type) {
        case 'P':
            error = on_parse(body, out);
            break;
        case 'B':
            error = on_bind(body, out);
            break;
        case 'D':
            error = on_describe(body, out);
            break;
        case 'C':
            error = on_close(body, out);
            break;
        default:
            error = on_execute(body, out, to_run);
    }
    if (error) {
        write_error(out, *error);
        skips_to_sync_ = true;
        return wish::next;
    }
    if (!to_run) return wish::next;
    running_ = std::move(to_run);
    return wish::run;
}

std::optional<client_error> console_protocol::on_parse(std::string_view body, std::string& out) {
    protocol::parse_message parse;
    if (decode(body, parse)) return malformed("Parse");
    const auto same = statements_.find(parse.name);
    if (!parse.name.empty() && same != statements_.end()) {
        return make_error(
            sqlstate::duplicate_prepared_statement,
            "prepared statement \"" + std::string{parse.name} + "\" already exists",
            "Close it first, or use another name."
        );
    }
    if (same == statements_.end() && statements_.size() >= most_names) {
        return too_many("prepared statements");
    }
    auto split = split_statements(parse.text);
    if (auto* error = std::get_if<client_error>(&split)) return std::move(*error);
    const auto& statements = std::get<0>(split);
    if (statements.size() > 1) {
        return make_error(
            sqlstate::syntax_error,
            "cannot insert multiple commands into a prepared statement",
            "Prepare one command at a time, or send them as a simple query."
        );
    }
    std::optional<command> prepared;
    if (!statements.empty()) {
        auto parsed = parse_command(statements[0], is_admin_);
        if (auto* error = std::get_if<client_error>(&parsed)) return std::move(*error);
        prepared = std::move(std::get<command>(parsed));
    }
    statements_.insert_or_assign(std::string{parse.name}, std::move(prepared));
    protocol::write_parse_complete(out);
    return {};
}

std::optional<client_error> console_protocol::on_bind(std::string_view body, std::string& out) {
    protocol::bind_message bind;
    protocol::bind_values values;
    if (decode(body, bind) || decode_bind_values(bind.tail, values)) return malformed("Bind");
    const auto found = statements_.find(bind.statement);
    if (found == statements_.end()) {
        return unknown_name(
            sqlstate::invalid_sql_statement_name, "prepared statement", bind.statement
        );
    }
    if (!values.parameters.empty()) return no_parameters();
    const auto columns = found->second ? found->second->columns().size() : 0;
    const auto formats = values.result_formats.size();
    if (formats > 1 && formats != columns) {
        return make_error(
            sqlstate::protocol_violation,
            "bind message has " + std::to_string(formats) + " result formats but query has " +
                std::to_string(columns) + " columns",
            "Ask for one format, or for as many as there are columns."
        );
    }
    if (!bind.portal.empty() && portals_.contains(bind.portal)) {
        return make_error(
            "42P03",
            "portal \"" + std::string{bind.portal} + "\" already exists",
            "Close it first, or use another name."
        );
    }
    if (!portals_.contains(bind.portal) && portals_.size() >= most_names) {
        return too_many("portals");
    }
    portal made;
    made.what = found->second;
    made.formats = std::move(values.result_formats);
    portals_.insert_or_assign(std::string{bind.portal}, std::move(made));
    protocol::write_bind_complete(out);
    return {};
}

std::optional<client_error> console_protocol::on_describe(std::string_view body, std::string& out) {
    protocol::name_message name;
    if (decode(body, name)) return malformed("Describe");
    const std::optional<command>* what = nullptr;
    std::vector<std::int16_t> formats;
    if (name.kind == 'S') {
        const auto found = statements_.find(name.name);
        if (found == statements_.end()) {
            return unknown_name(
                sqlstate::invalid_sql_statement_name, "prepared statement", name.name
            );
        }
        what = &found->second;
        protocol::write_parameter_description(out, {});
    } else {
        const auto found = portals_.find(name.name);
        if (found == portals_.end()) {
            return unknown_name(sqlstate::invalid_cursor_name, "portal", name.name);
        }
        what = &found->second.what;
        formats = found->second.formats;
    }
    if (*what && !(*what)->columns().empty()) {
        write_columns((*what)->columns(), formats, out);
    } else {
        protocol::write_no_data(out);
    }
    return {};
}

std::optional<client_error> console_protocol::on_close(std::string_view body, std::string& out) {
    protocol::name_message name;
    if (decode(body, name)) return malformed("Close");
    if (name.kind == 'S') {
        if (const auto found = statements_.find(name.name); found != statements_.end()) {
            statements_.erase(found);
        }
    } else if (const auto found = portals_.find(name.name); found != portals_.end()) {
        portals_.erase(found);
    }
    protocol::write_close_complete(out);
    return {};
}

std::optional<client_error> console_protocol::on_execute(
    std::string_view body, std::string& out, std::optional<command>& to_run
) {
    protocol::execute_message execute;
    if (decode(body, execute)) return malformed("Execute");
    const auto found = portals_.find(execute.portal);
    if (found == portals_.end()) {
        return unknown_name(sqlstate::invalid_cursor_name, "portal", execute.portal);
    }
    portal& from = found->second;
    if (!from.what) {
        protocol::write_empty_query_response(out);
        return {};
    }
    row_limit_ = execute.max_rows;
    if (from.answer) {
        send_rows(from, out);
        return {};
    }
    if (from.is_done) {
        return make_error(
            sqlstate::object_not_in_prerequisite_state,
            "portal \"" + std::string{execute.portal} + "\" has run already",
            "Bind again to run the command again."
        );
    }
    from.is_done = true;
    executing_ = execute.portal;
    to_run = from.what;
    return {};
}

void console_protocol::send_rows(portal& from, std::string& out) {
    const auto& rows = from.answer->rows;
    std::size_t last = rows.size();
    if (row_limit_ > 0) {
        const auto limit = static_cast<std::size_t>(row_limit_);
        if (rows.size() - from.next_row > limit) last = from.next_row + limit;
    }
    for (; from.next_row < last; ++from.next_row) {
        write_row(rows[from.next_row], from.what->columns(), from.formats, out);
    }
    if (last < rows.size()) {
        protocol::write_portal_suspended(out);
        return;
    }
    protocol::write_command_complete(out, tag_of(*from.what, *from.answer));
    from.answer.reset();
}

}  // namespace weir::daemon::console
