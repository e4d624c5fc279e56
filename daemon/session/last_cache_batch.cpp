#include "daemon/session/last_cache_batch.hpp"

#include "protocol/row.hpp"

namespace weir::daemon {

bool last_cache_batch::read(
    const request_batch& whole, const std::function<bool(std::string_view)>& is_prepared
) {
    if (!whole.is_short()) return false;
    is_prepared_ = &is_prepared;
    const std::string_view types = whole.shape();
    for (std::size_t i = 0; i + 1 < types.size(); ++i) {
        const auto body = whole.body(i);
        const bool is_read = types[i] == 'P'   ? i == 0 && read_parse(body)
                             : types[i] == 'B' ? read_bind(body)
                             : types[i] == 'D' ? read_describe(body)
                             : types[i] == 'E' ? read_execute(body)
                                               : false;
        if (!is_read) return false;
    }
    is_synced_ = types.back() == 'S';
    // Whoever binds it and goes on behind Flush would find no portal.
    return !answers_.empty() && (is_synced_ || types.back() == 'H') &&
           portal_.has_value() == is_executed_ && (is_synced_ || !portal_);
}

bool last_cache_batch::is_meant(std::string_view name) const {
    return parse_ ? parse_->name == name : (*is_prepared_)(name);
}

bool last_cache_batch::read_parse(std::string_view body) {
    protocol::parse_message parse;
    if (protocol::decode(body, parse) || !last_cache::is_asked_by(parse.text) ||
        parse.parameter_count() > 0) {
        return false;
    }
    parse_ = parse;
    answers_.push_back(answer::parsed);
    return true;
}

bool last_cache_batch::read_bind(std::string_view body) {
    protocol::bind_message bind;
    protocol::bind_values values;
    if (portal_ || protocol::decode(body, bind) || !is_meant(bind.statement) ||
        protocol::decode_bind_values(bind.tail, values) || !values.parameters.empty()) {
        return false;
    }
    const std::size_t formats = values.result_formats.size();
    if (formats > 1 && formats != last_cache::column_count) return false;
    portal_ = bind.portal;
    formats_ = std::move(values.result_formats);
    answers_.push_back(answer::bound);
    return true;
}

bool last_cache_batch::read_describe(std::string_view body) {
    protocol::name_message describe;
    if (protocol::decode(body, describe)) return false;
    const bool is_portal = describe.kind == 'P';
    if (is_portal ? portal_ != describe.name : !is_meant(describe.name)) return false;
    answers_.push_back(is_portal ? answer::portal : answer::statement);
    return true;
}

bool last_cache_batch::read_execute(std::string_view body) {
    protocol::execute_message execute;
    if (protocol::decode(body, execute) || portal_ != execute.portal || is_executed_) return false;
    is_executed_ = true;
    // PostgreSQL does not look beyond the rows that it was asked for.
    answers_.push_back(execute.max_rows == 1 ? answer::rows_suspended : answer::rows);
    return true;
}

void last_cache_batch::write(
    std::string& out, const last_cache& told, const querycache::database_state* database
) const {
    for (const auto each : answers_) {
        switch (each) {
            case answer::parsed:
                protocol::write_parse_complete(out);
                break;
            case answer::bound:
                protocol::write_bind_complete(out);
                break;
            case answer::statement:
                protocol::write_parameter_description(out, {});
                last_cache::describe(out);
                break;
            case answer::portal:
                last_cache::describe(out, formats_);
                break;
            case answer::rows:
                told.write_row(out, database);
                last_cache::write_end(out);
                break;
            case answer::rows_suspended:
                told.write_row(out, database);
                protocol::write_portal_suspended(out);
                break;
        }
    }
}

}  // namespace weir::daemon
