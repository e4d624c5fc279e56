// The page at / as a browser shows it, and the tokens that open it.
#include "tests/integration/cache_fixture.hpp"
#include "tests/support/temporary_folder.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace weir::test {
namespace {

constexpr std::chrono::seconds browser_patience{150};

// A browser that has the page open.
class browser {
public:
    browser(daemon_process const& daemon, int width, std::vector<std::string> const& steps)
        : process_([&] {
              std::vector<std::string> command = {
                  WEIR_NODE,
                  WEIR_LOOK_AT_PAGE,
                  folder_.path() / "profile",
                  std::to_string(width),
                  "http://127.0.0.1:" + std::to_string(daemon.http_port()) + "/"};
              command.insert(command.end(), steps.begin(), steps.end());
              return child_options{
                  .command = command,
                  .environment = {"HOME=" + folder_.path().string()},
                  .output = folder_.path() / "seen"};
          }()) {}

    void has_done(int step) {
        wait_until(
            [&] {
                if (!process_.running()) throw std::runtime_error(output());
                return output().find("step " + std::to_string(step) + "\n") != std::string::npos;
            },
            [&] { return "step " + std::to_string(step) + " in the browser: " + output(); },
            browser_patience
        );
    }

    /// What the last step gave. The browser must have had nothing to complain of, beyond `allowed`.
    boost::json::value seen(std::string const& allowed = "") {
        int const status = process_.wait(browser_patience);
        auto const text = output();
        if (status != 0) throw std::runtime_error(text);
        auto const line = text.rfind('\n', text.size() - 2);
        auto const parsed = boost::json::parse(text.substr(line + 1));
        for (auto const& complaint : parsed.at("complaints").as_array()) {
            std::string const said(complaint.as_string());
            EXPECT_TRUE(!allowed.empty() && said.find(allowed) != std::string::npos) << said;
        }
        return parsed.at("value");
    }

private:
    [[nodiscard]] std::string output() const { return read_file(folder_.path() / "seen"); }

    temporary_folder folder_;
    child_process process_;
};

class dashboard : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
};

// The figures of a table's rows, by the name of the column, with the first cell under "".
std::string figures_of(std::string const& section) {
    return "[...document.querySelectorAll('#" + section +
           " tbody tr')].map(row => Object.fromEntries([...row.children].map((cell, index) => "
           "[index === 0 ? '' : cell.dataset.column, cell.dataset.value ?? cell.textContent])))";
}

std::string text_of(boost::json::value const& row, std::string const& column) {
    return std::string(row.at(column).as_string());
}

TEST_F(dashboard, AgreesWithTheConsoleAfterTheLoad) {
    daemon_process const daemon(
        cache_configuration("{name: everything, tables: [items], ttl: 1h}", "", {})
    );
    {
        pq_connection first(daemon.dsn("shop"));
        cached(daemon, first, "SELECT value FROM items WHERE id = 1");
    }
    std::atomic<bool> has_ended{false};
    std::vector<std::thread> load;
    for (int client = 0; client < 4; ++client) {
        load.emplace_back([&, client] {
            pq_connection connection(daemon.dsn("shop"));
            for (int n = 0; !has_ended; ++n) {
                connection.must("SELECT value FROM items WHERE id = " + std::to_string(n % 10 + 1));
                connection.must("INSERT INTO log (text) VALUES ('" + std::to_string(client) + "')");
            }
        });
    }
    // Seen at work, and then at rest.
    browser page(
        daemon,
        1280,
        {"/[1-9]/.test(document.getElementById('rate').textContent)",
         "/^0\\D/.test(document.getElementById('rate').textContent) && "
         "document.getElementById('clients').textContent === '0' && "
         "JSON.stringify({databases: " +
             figures_of("databases") + ", pools: " + figures_of("pools") +
             ", rules: " + figures_of("rules") + ", statements: " + figures_of("statements") + "})"}
    );
    std::optional<std::string> problem;
    try {
        page.has_done(1);
    } catch (std::exception const& error) {
        problem = error.what();
    }
    has_ended = true;
    for (auto& each : load)
        each.join();
    ASSERT_EQ(problem, std::nullopt);
    auto const shown = boost::json::parse(page.seen().as_string());

    auto const stats = [&](char const* column) {
        return shown_by_console(daemon, "SHOW STATS", "database", "shop", column);
    };
    auto const& database = shown.at("databases").at(0);
    EXPECT_EQ(text_of(database, ""), "shop");
    EXPECT_EQ(text_of(database, "queries"), stats("total_query_count"));
    EXPECT_EQ(text_of(database, "transactions"), stats("total_xact_count"));
    EXPECT_EQ(text_of(database, "bytes_to_client"), stats("total_sent"));
    EXPECT_GT(std::stoi(text_of(database, "queries")), 100);

    auto const pools = [&](char const* column) {
        return shown_by_console(daemon, "SHOW POOLS", "database", "shop", column);
    };
    auto const& pool = shown.at("pools").at(0);
    EXPECT_EQ(text_of(pool, "user"), pools("user"));
    EXPECT_EQ(
        text_of(pool, "size"),
        shown_by_console(daemon, "SHOW DATABASES", "name", "shop", "pool_size")
    );
    EXPECT_EQ(text_of(pool, "active"), pools("sv_active"));
    EXPECT_EQ(text_of(pool, "idle"), pools("sv_idle"));
    EXPECT_EQ(text_of(pool, "waiting"), pools("cl_waiting"));
    EXPECT_NE(text_of(pool, "idle"), "0");

    auto const rule = [&](char const* column) {
        return shown_by_console(daemon, "SHOW CACHE", "rule", "everything", column);
    };
    EXPECT_EQ(text_of(shown.at("rules").at(0), "hits"), rule("hits"));
    EXPECT_EQ(text_of(shown.at("rules").at(0), "misses"), rule("misses"));

    std::map<std::string, std::string> calls;
    for (auto const& row : shown.at("statements").as_array())
        calls[text_of(row, "")] = text_of(row, "calls");
    pq_connection admin(daemon.dsn("pgweir"));
    auto const queries = admin.must("SHOW QUERIES");
    int compared = 0;
    for (int row = 0; row < queries.rows(); ++row) {
        auto const text = queries.value(row, PQfnumber(queries.get(), "query"));
        if (!calls.contains(text)) continue;
        EXPECT_EQ(calls[text], queries.value(row, PQfnumber(queries.get(), "calls"))) << text;
        ++compared;
    }
    EXPECT_GE(compared, 2);
}

TEST_F(dashboard, ShowsStrangersBytesAsText) {
    daemon_process const daemon(
        configuration({.rest = "slow_log: {threshold: 1ms, file: \"{dir}/slow.log\"}\n"})
    );
    pq_connection client(daemon.dsn("shop") + " application_name='<b>bold</b>'");
    client.must("SELECT pg_sleep(0.01) AS \"<img src=x onerror=\"\"document.title='owned'\"\">\"");
    pq_connection::attempt(daemon.dsn("<script>alert(1)</script>"));
    browser page(
        daemon,
        1280,
        {"document.querySelector('#slow tbody tr')?.textContent.includes('<b>bold</b>') && "
         "document.querySelector('#slow tbody tr').textContent.toLowerCase().includes('<img "
         "src=x')",
         "document.querySelector('#events tbody').textContent.includes('<script>alert(1)')",
         "String(document.querySelectorAll('img, main script, main b').length) + document.title"}
    );
    auto const seen = std::string(page.seen().as_string());
    EXPECT_TRUE(seen.starts_with("0")) << seen;
    EXPECT_EQ(seen.find("owned"), std::string::npos);
}

TEST_F(dashboard, EmptySectionsSayWhatToDo) {
    daemon_process const daemon(configuration());
    browser page(
        daemon,
        360,
        {"!document.getElementById('main').hidden",
         "document.querySelector('#rules .empty:not([hidden])').textContent",
         "JSON.stringify({rules: document.querySelector('#rules .empty').textContent, wide: "
         "document.documentElement.scrollWidth, inner: innerWidth, tables: "
         "[...document.querySelectorAll('table')].every(t => t.caption && "
         "[...t.querySelectorAll('thead th')].every(th => th.scope === 'col'))})"}
    );
    auto const seen = boost::json::parse(page.seen().as_string());
    EXPECT_EQ(text_of(seen, "rules"), "No rule in cache.rules: nothing is cached.");
    EXPECT_LE(seen.at("wide").as_int64(), 360);
    EXPECT_EQ(seen.at("inner").as_int64(), 360);
    EXPECT_TRUE(seen.at("tables").as_bool());
}

TEST_F(dashboard, FitsAPhoneSortsAndRemembersItsTheme) {
    daemon_process const daemon(cache_configuration());
    pq_connection client(daemon.dsn("shop"));
    for (int n = 0; n < 3; ++n)
        client.must("SELECT id, value FROM items WHERE value > -1 ORDER BY id, value");
    client.must("UPDATE items SET value = value + 1 WHERE id BETWEEN 1 AND 3");
    std::string const sort_button = "document.querySelector('#statements th:nth-child(3) button')";
    browser page(
        daemon,
        360,
        {"document.querySelectorAll('#statements tbody tr').length >= 2",
         sort_button + ".click() || " + sort_button +
             ".parentElement.getAttribute('aria-sort') === 'descending'",
         "+document.querySelector('#statements tbody tr [data-column=calls]').dataset.value === 3",
         "document.documentElement.dataset.theme === 'light' && "
         "(document.getElementById('theme').click(), true)",
         "document.documentElement.dataset.theme === 'dark'",
         "reload",
         "document.documentElement.dataset.theme === 'dark' && "
         "document.querySelectorAll('#statements tbody tr').length >= 2",
         "document.documentElement.scrollWidth"}
    );
    EXPECT_LE(page.seen().as_int64(), 360);
}

TEST_F(dashboard, SaysSinceWhenItIsStale) {
    daemon_process daemon(configuration());
    browser page(
        daemon,
        1280,
        {"!document.getElementById('main').hidden",
         "!document.getElementById('stale').hidden && "
         "document.getElementById('stale-text').textContent"}
    );
    page.has_done(1);
    EXPECT_EQ(daemon.end(SIGINT), 0);
    auto const said = std::string(page.seen("ERR_CONNECTION_REFUSED").as_string());
    EXPECT_TRUE(said.starts_with("Stale since ")) << said;
    EXPECT_NE(said.find("Trying again every"), std::string::npos) << said;
}

std::string with_tokens(std::string const& yaml) {
    auto text = yaml;
    return text.insert(
        text.find("\"127.0.0.1:{http}\"") + 18,
        ", token: changer-0123456789, view_token: '${VIEW_TOKEN}'"
    );
}

TEST_F(dashboard, AsksForTheTokenAndKeepsItOutOfSight) {
    daemon_process const daemon(with_tokens(configuration()), {"VIEW_TOKEN=looker-0123456789"});
    auto const enter = [](std::string const& token) {
        return "(document.getElementById('token').value = '" + token +
               "', document.getElementById('login').requestSubmit(), true)";
    };
    browser page(
        daemon,
        360,
        {"!document.getElementById('login').hidden && document.getElementById('main').hidden",
         enter("wrong"),
         "document.getElementById('login-problem').textContent.includes('does not know')",
         enter("looker-0123456789"),
         "!document.getElementById('main').hidden && document.getElementById('login').hidden",
         "reload",
         "!document.getElementById('main').hidden && document.getElementById('login').hidden",
         "JSON.stringify({href: location.href, cookie: document.cookie, local: "
         "JSON.stringify(localStorage), session: JSON.stringify(sessionStorage), html: "
         "document.documentElement.outerHTML.includes('looker-')})"}
    );
    auto const seen = boost::json::parse(page.seen("401 (Unauthorized)").as_string());
    EXPECT_EQ(text_of(seen, "href").find("looker"), std::string::npos);
    EXPECT_EQ(text_of(seen, "cookie"), "");
    EXPECT_EQ(text_of(seen, "local"), "{}");
    EXPECT_NE(text_of(seen, "session").find("looker-0123456789"), std::string::npos);
    EXPECT_FALSE(seen.at("html").as_bool());
}

int status_of(daemon_process const& daemon, std::string const& path, std::string const& token) {
    raw_client client(daemon.http_port());
    client.send(
        "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
        (token.empty() ? "" : "Authorization: Bearer " + token + "\r\n") + "\r\n"
    );
    std::string all;
    while (auto const byte = client.read_byte())
        all += *byte;
    return std::stoi(all.substr(all.find(' ')));
}

TEST_F(dashboard, TokensFollowAReload) {
    daemon_process daemon(with_tokens(configuration()), {"VIEW_TOKEN=looker-0123456789"});
    for (std::string const path :
         {"/", "/metrics", "/stats.json", "/events", "/compression/stats"}) {
        EXPECT_EQ(status_of(daemon, path, ""), 401) << path;
        EXPECT_EQ(status_of(daemon, path, "looker-012345678"), 401) << path;
        EXPECT_EQ(status_of(daemon, path, "looker-0123456789"), 200) << path;
        EXPECT_EQ(status_of(daemon, path, "changer-0123456789"), 200) << path;
    }
    EXPECT_EQ(status_of(daemon, "/health", ""), 200);
    EXPECT_EQ(status_of(daemon, "/ready", ""), 200);
    EXPECT_EQ(daemon.post("/reload", "looker-0123456789").status, 401);
    daemon.rewrite(configuration());
    EXPECT_EQ(daemon.post("/reload", "changer-0123456789").status, 200);
    EXPECT_EQ(status_of(daemon, "/stats.json", ""), 200);
    EXPECT_EQ(daemon.post("/reload", "changer-0123456789").status, 403);
}

TEST_F(dashboard, EventsAreTheLogsNewestFirst) {
    daemon_process daemon(configuration());
    daemon.reload();
    auto const events = boost::json::parse(daemon.get("/events").body).at("events").as_array();
    ASSERT_GE(events.size(), 2U);
    EXPECT_NE(
        std::string(events.back().at("message").as_string()).find("serves on"), std::string::npos
    );
    for (auto const& event : events) {
        EXPECT_NE(daemon.log().find(std::string(event.at("ts").as_string())), std::string::npos);
    }
    EXPECT_GE(events.front().at("ts").as_string(), events.back().at("ts").as_string());
}

}  // namespace
}  // namespace weir::test
