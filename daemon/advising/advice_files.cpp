#include "daemon/advising/advice_files.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

namespace weir::daemon::advising {
namespace {

namespace beast = boost::beast;
namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::chrono::seconds patience{15};
constexpr std::uint64_t largest_body = 64U << 20U;

std::string text_in(const json::object& row, std::string_view key) {
    const auto* const found = row.if_contains({key.data(), key.size()});
    if (found == nullptr || !found->is_string()) return {};
    return {found->get_string().data(), found->get_string().size()};
}

// The stream's deadline holds for asynchronous operations alone.
template<class Start>
void wait_for(boost::asio::io_context& context, Start start) {
    boost::system::error_code error;
    start([&error](boost::system::error_code code, auto&&...) { error = code; });
    context.restart();
    context.run();
    if (error) throw boost::system::system_error(error);
}

bool is_sql(std::string_view text) {
    return text.starts_with("CREATE INDEX ") || text.starts_with("CREATE UNIQUE INDEX ") ||
           text.starts_with("DROP INDEX ");
}

// Each line of a comment begins with --, whatever the text holds.
std::string comment(std::string_view words) {
    std::string out = "-- ";
    for (const char c : words) {
        if (c == '\r') continue;
        out += c;
        if (c == '\n') out += "-- ";
    }
    return out + "\n";
}

/// What the index is called, for the file's name.
std::string short_name(std::string_view sql) {
    std::string name;
    const auto from = sql.find("pgweir_");
    const auto quote = sql.rfind('"');
    const auto begin = quote == std::string_view::npos ? sql.npos : sql.rfind('"', quote - 1);
    if (sql.starts_with("CREATE") && from != sql.npos) {
        sql = sql.substr(from, sql.find('"', from) - from);
    } else if (begin != sql.npos) {
        sql = sql.substr(begin + 1, quote - begin - 1);
    }
    for (const char c : sql.substr(0, 60)) {
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        name += is_plain ? c : '_';
    }
    return name;
}

std::string contents(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// O_EXCL: whatever is there stays.
void create(const fs::path& path, const std::string& text) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    const auto fail = [&path](int code) {
        throw std::runtime_error(
            "cannot write " + path.string() + ": " + std::generic_category().message(code)
        );
    };
    if (file < 0) fail(errno);
    const auto done = ::write(file, text.data(), text.size());
    const int code = done < 0 ? errno : ENOSPC;
    ::close(file);
    if (done != static_cast<ssize_t>(text.size())) fail(code);
}

std::string about(const migration& one, std::string_view direction) {
    return comment(fmt::format("{} ({}), database {}", one.kind, direction, one.database));
}

std::string header(const migration& one, std::string_view direction) {
    return about(one, direction) + comment(one.why) + comment("expected: " + one.gain) +
           comment(
               "run it alone, not in a transaction; if CREATE INDEX CONCURRENTLY fails it leaves "
               "an\ninvalid index behind, which the .down.sql drops"
           );
}

}  // namespace

std::string fetch_advice(const config::config& configuration) {
    const auto& http = configuration.http;
    if (!http.enabled) {
        throw std::runtime_error(
            "http.listen is off, and the running pgweir can only be asked there: set it, e.g. "
            "127.0.0.1:9632, and restart"
        );
    }
    const bool is_any = http.host == "*" || http.host == "0.0.0.0" || http.host == "::";
    const std::string host = is_any ? "127.0.0.1" : http.host;
    const std::string where = fmt::format("{}:{}", host, http.port);
    boost::asio::io_context context;
    beast::tcp_stream stream{context};
    boost::asio::ip::tcp::resolver resolver{context};
    beast::http::response_parser<beast::http::string_body> parser;
    parser.body_limit(largest_body);
    try {
        stream.expires_after(patience);
        const auto addresses = resolver.resolve(host, std::to_string(http.port));
        wait_for(context, [&](auto done) { stream.async_connect(addresses, std::move(done)); });
        beast::http::request<beast::http::empty_body> request{
            beast::http::verb::get, "/advice", 11};
        request.set(beast::http::field::host, where);
        const auto& token = http.view_token.empty() ? http.token : http.view_token;
        if (!token.empty()) request.set(beast::http::field::authorization, "Bearer " + token);
        wait_for(context, [&](auto done) {
            beast::http::async_write(stream, request, std::move(done));
        });
        beast::flat_buffer buffer;
        wait_for(context, [&](auto done) {
            beast::http::async_read(stream, buffer, parser, std::move(done));
        });
    } catch (const boost::system::system_error& problem) {
        throw std::runtime_error(fmt::format(
            "cannot ask the pgweir at http://{}/advice: {}; it has to run with this configuration",
            where,
            problem.code().message()
        ));
    }
    const auto& answer = parser.get();
    if (answer.result() != beast::http::status::ok) {
        throw std::runtime_error(fmt::format(
            "http://{}/advice answers {}: {}", where, answer.result_int(), answer.body()
        ));
    }
    return answer.body();
}

std::vector<migration> migrations_in(std::string_view body) {
    json::error_code error;
    const auto parsed = json::parse({body.data(), body.size()}, error);
    const auto* const object = error ? nullptr : parsed.if_object();
    const auto* const list = object == nullptr ? nullptr : object->if_contains("advice");
    if (list == nullptr || !list->is_array()) {
        throw std::runtime_error("what was answered is not the advice of a pgweir");
    }
    std::vector<migration> all;
    for (const auto& each : list->get_array()) {
        const auto* const row = each.if_object();
        if (row == nullptr) continue;
        migration one;
        one.kind = text_in(*row, "kind");
        one.database = text_in(*row, "database");
        one.why = text_in(*row, "why");
        one.gain = text_in(*row, "gain");
        one.apply = text_in(*row, "apply");
        one.undo = text_in(*row, "undo");
        if (is_sql(one.apply) && is_sql(one.undo)) all.push_back(std::move(one));
    }
    return all;
}

written write_migrations(
    const std::vector<migration>& all,
    const std::string& folder,
    std::chrono::system_clock::time_point now
) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) {
        throw std::runtime_error("cannot make the folder " + folder + ": " + error.message());
    }
    std::vector<std::string> before;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        const bool is_up = entry.path().native().ends_with(".up.sql");
        std::error_code ignored;
        if (is_up && entry.is_regular_file(ignored)) before.push_back(contents(entry.path()));
    }
    if (error) throw std::runtime_error("cannot read " + folder + ": " + error.message());
    written done;
    for (const auto& one : all) {
        // Databases may have tables, and so advice, of the same names.
        const bool is_known = std::any_of(before.begin(), before.end(), [&](const auto& file) {
            return file.find(about(one, "up")) != std::string::npos &&
                   file.find(one.apply + ";") != std::string::npos;
        });
        if (is_known) {
            ++done.known;
            continue;
        }
        const auto name = fmt::format(
            "{:%Y%m%d%H%M%S}{:02}_{}_{}",
            fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
            done.files.size() + 1,
            one.kind,
            short_name(one.apply)
        );
        const auto path = fs::path{folder} / name;
        // The way back first: an .up.sql is what counts as written.
        create(path.native() + ".down.sql", header(one, "down") + one.undo + ";\n");
        create(path.native() + ".up.sql", header(one, "up") + one.apply + ";\n");
        done.files.push_back(name + ".up.sql");
    }
    return done;
}

}  // namespace weir::daemon::advising
