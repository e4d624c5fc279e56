#include "daemon/warming/warm_forms.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

namespace weir::daemon {
namespace {

using namespace std::chrono_literals;
using querycache::reply_shape;
using outcome = warm_forms::outcome;

warm_asker asker(std::string user = "app", std::string_view zone = "") {
    warm_asker who{"shop", std::move(user), {}};
    if (!zone.empty()) who.settings.assign("timezone", zone, pool::value_form::raw);
    return who;
}

warm_form form_of(warm_asker who, std::string text = "select 1") {
    warm_form form{std::move(who), warm_request{}};
    form.what.text = std::move(text);
    return form;
}

class warm_registry : public ::testing::Test {
protected:
    /// The key under which the request lies for a user; `server` tells one start of it from
    /// another.
    std::string key_of(
        const warm_asker& who, const querycache::request& asked, std::uint64_t server = 1
    ) {
        std::string settings;
        who.settings.append_canonical(settings);
        const auto scope = querycache::make_key_scope(
            secret, {7, 1, server}, querycache::sharing::user, who.user, settings
        );
        const querycache::key_view view{&scope, asked};
        std::string key(view.size(), '\0');
        view.write(key.data());
        return key;
    }
    /// Stores it, as session and store do.
    querycache::entry_ref store(const std::string& key) {
        querycache::entry_parts parts;
        parts.key = key;
        parts.hash = secret.hash(key);
        parts.depends_on = &nothing;
        parts.ttl = 1h;
        parts.rule = counters;
        return memory[key] = querycache::entry::make(parts);
    }
    /// A client's reply was stored.
    std::string learn(const warm_asker& who, const querycache::request& asked) {
        auto key = key_of(who, asked);
        forms.learn("r", who, store(key), 0, now);
        return key;
    }
    std::string learn(const warm_asker& who, std::string_view text = "select 1") {
        return learn(who, {reply_shape::simple, text, {}, {}});
    }
    void configure(std::vector<warm_form> by_file = {}) {
        forms.set_texts({{"r", 0, "select 1", std::move(by_file)}}, now);
    }
    std::vector<warm_forms::job> due() {
        return forms.due(now, [&](const warm_form&, const warm_forms::place& at) {
            return memory.contains(at.key);
        });
    }
    /// What is due is asked and stored.
    std::size_t fill() {
        const auto jobs = due();
        for (const auto& job : jobs)
            EXPECT_TRUE(answer(job).is_kept);
        return jobs.size();
    }
    warm_forms::verdict answer(const warm_forms::job& job, std::uint64_t server = 1) {
        const auto& what = job.form.what;
        const auto key = key_of(
            job.form.who, {what.shape, what.text, what.parameter_types, what.bind_tail}, server
        );
        forms.learn("r", job.form.who, store(key), job.id, now);
        return forms.ended(job.id, outcome::answered, now);
    }

    querycache::hash_secret secret;
    std::shared_ptr<querycache::rule_counters> counters =
        std::make_shared<querycache::rule_counters>("r");
    querycache::stamp nothing;
    warm_forms forms;
    warm_forms::time_point now{1000s};
    std::map<std::string, querycache::entry_ref> memory;
};

TEST_F(warm_registry, FormsOfTheFileAreDueAtOnce) {
    configure({form_of(asker())});
    const auto jobs = due();
    ASSERT_EQ(jobs.size(), 1U);
    EXPECT_EQ(jobs[0].rule, "r");
    EXPECT_EQ(jobs[0].form, form_of(asker()));
    EXPECT_NE(jobs[0].id, 0U);
    EXPECT_TRUE(due().empty()) << "it is under way";
    EXPECT_TRUE(answer(jobs[0]).is_kept);
    EXPECT_TRUE(due().empty()) << "it is there";
}

TEST_F(warm_registry, LearnsHowClientsAsk) {
    configure();
    learn(asker(), "/* 1 */ select 1;");
    learn(asker("other"), "select 2");  // no text of the rule
    EXPECT_EQ(forms.size(), 1U);
    EXPECT_TRUE(due().empty());
    memory.clear();
    const auto jobs = due();
    ASSERT_EQ(jobs.size(), 1U);
    EXPECT_EQ(jobs[0].form.what.text, "/* 1 */ select 1;") << "the key is of the bytes";
    EXPECT_EQ(jobs[0].form.who, asker());
}

TEST_F(warm_registry, OfOtherRulesNothingIsLearnt) {
    configure();
    const auto key = key_of(asker(), {reply_shape::simple, "select 1", {}, {}});
    forms.learn("other", asker(), store(key), 0, now);
    EXPECT_EQ(forms.size(), 0U);
}

TEST_F(warm_registry, UsersSettingsAndShapesAreFormsOfTheirOwn) {
    configure();
    learn(asker("a"));
    learn(asker("b"));
    learn(asker("a", "Europe/Berlin"));
    learn(asker("a"), {reply_shape::extended, "select 1", {}, std::string_view("\0\0\0\0\0\0", 6)});
    learn(asker("a"));
    EXPECT_EQ(forms.size(), 4U);
}

TEST_F(warm_registry, ASharedEntryIsAskedForAsWhoWasAnsweredLast) {
    configure();
    const querycache::request asked{reply_shape::simple, "select 1", {}, {}};
    const auto key = key_of(asker("anybody"), asked);
    const auto who_asks = [&] {
        memory.clear();
        const auto jobs = due();
        EXPECT_EQ(jobs.size(), 1U);
        if (jobs.empty()) return std::string{};
        (void)forms.ended(jobs[0].id, outcome::failed, now);
        now += 2min;
        return jobs[0].form.who.user;
    };
    for (const std::string name : {"a", "b"}) {
        forms.learn("r", asker(name), store(key), 0, now);
        EXPECT_EQ(who_asks(), name);
    }
}

TEST_F(warm_registry, LearnsAsManyFormsAsItMay) {
    configure({form_of(asker("file"))});
    for (std::size_t i = 0; i < warm_forms::most_learnt; ++i) {
        learn(asker(std::to_string(i)));
        now += 1s;
    }
    learn(asker("0"));
    learn(asker("new"));
    memory.clear();
    EXPECT_EQ(forms.size(), 1 + warm_forms::most_learnt);
    std::string users;
    for (const auto& job : due())
        users += job.form.who.user + " ";
    EXPECT_NE(users.find("file "), std::string::npos);
    EXPECT_NE(users.find("0 "), std::string::npos);
    EXPECT_NE(users.find("new "), std::string::npos);
    EXPECT_EQ((" " + users).find(" 1 "), std::string::npos) << "asked for longest ago";
}

TEST_F(warm_registry, LearnsNoGiants) {
    configure();
    const std::string bind(warm_forms::largest_form, 'x');
    learn(asker(), {reply_shape::extended, "select 1", {}, bind});
    EXPECT_EQ(forms.size(), 0U);
    forms.learn("r", asker(), store("no key"), 0, now);
    EXPECT_EQ(forms.size(), 0U);
}

TEST_F(warm_registry, FailuresAreToldOnceAndTriedLessAndLess) {
    configure({form_of(asker()), form_of(asker("b"))});
    int news = 0;
    std::map<std::string, int> tries;
    for (int second = 0; second < 300; ++second, now += 1s) {
        for (const auto& job : due()) {
            ++tries[job.form.who.user];
            news += forms.ended(job.id, outcome::failed, now).is_news ? 1 : 0;
        }
    }
    EXPECT_EQ(news, 1);
    // 1 + 2 + 4 + ... + 32, then each 60 s.
    EXPECT_EQ(tries["app"], 7 + (300 - 63) / 60);
    for (const auto& job : due())
        (void)forms.ended(job.id, outcome::failed, now);
    now += 60s;
    const auto jobs = due();
    ASSERT_EQ(jobs.size(), 2U);
    EXPECT_TRUE(answer(jobs[0]).is_kept);
    EXPECT_TRUE(forms.ended(jobs[1].id, outcome::failed, now).is_news) << "it has worked since";
}

TEST_F(warm_registry, WhatIsNeverKeptIsToldAfterSomeTries) {
    configure({form_of(asker())});
    int tries = 0;
    for (bool is_news = false; !is_news && tries < 100; now += 1s) {
        for (const auto& job : due()) {
            ++tries;
            const auto verdict = forms.ended(job.id, outcome::answered, now);
            EXPECT_FALSE(verdict.is_kept);
            is_news = verdict.is_news;
        }
    }
    EXPECT_EQ(tries, 3);
    for (int second = 0; second < 590; ++second, now += 1s)
        EXPECT_TRUE(due().empty()) << "it may be gigabytes";
    now += 10s;
    EXPECT_EQ(due().size(), 1U);
    // What was kept before was written meanwhile: that is nobody's mistake.
    configure({form_of(asker("b"))});
    fill();
    memory.clear();
    for (int second = 0; second < 100; ++second, now += 1s) {
        for (const auto& job : due())
            EXPECT_FALSE(forms.ended(job.id, outcome::answered, now).is_news);
    }
}

TEST_F(warm_registry, WhatCouldNotBeAskedIsNoFailure) {
    configure({form_of(asker())});
    for (int i = 0; i < 100; ++i) {
        const auto jobs = due();
        ASSERT_EQ(jobs.size(), 1U) << "a second later";
        EXPECT_FALSE(forms.ended(jobs[0].id, outcome::not_asked, now).is_news);
        EXPECT_TRUE(due().empty());
        now += 1s;
    }
}

TEST_F(warm_registry, WhatNobodyUsesIsFilledLessAndLess) {
    configure({form_of(asker())});
    std::size_t fills = 0;
    for (int second = 0; second < 63; ++second, now += 1s) {
        fills += fill();
        memory.clear();  // written each second
    }
    EXPECT_EQ(fills, 6U) << "after 1, 2, 4, ... seconds";
    now += 60s;
    EXPECT_EQ(fill(), 1U);
    memory.begin()->second->use();
    memory.clear();
    EXPECT_EQ(fill(), 1U) << "somebody was given it, though it is gone by now: at once";
}

TEST_F(warm_registry, LearntFormsLeaveWhenNobodyAsks) {
    configure({form_of(asker("file"))});
    const auto key = learn(asker());
    now += warm_forms::remembered / 2;
    memory[key]->use();
    (void)fill();
    memory.clear();
    (void)fill();
    now += warm_forms::remembered / 2 + 1s;
    (void)due();
    EXPECT_EQ(forms.size(), 2U) << "it was used";
    now += warm_forms::remembered;
    (void)due();
    EXPECT_EQ(forms.size(), 1U);
}

TEST_F(warm_registry, ARestartOfPostgresMovesThePlace) {
    configure();
    learn(asker());
    memory.clear();
    const auto jobs = due();
    ASSERT_EQ(jobs.size(), 1U);
    EXPECT_TRUE(answer(jobs[0], 2).is_kept);
    EXPECT_TRUE(due().empty()) << "it is looked for where it lies now";
    const auto key = key_of(asker(), {reply_shape::simple, "select 1", {}, {}}, 3);
    forms.learn("r", asker(), store(key), 0, now);
    EXPECT_EQ(forms.size(), 1U) << "the same form";
}

TEST_F(warm_registry, AReloadKeepsWhatIsKnownOfTextsThatStay) {
    configure({form_of(asker("a")), form_of(asker("b"))});
    learn(asker("learnt"));
    fill();
    configure({form_of(asker("b")), form_of(asker("c"))});
    EXPECT_EQ(forms.size(), 3U);
    const auto jobs = due();
    std::string users;
    for (const auto& job : jobs)
        users += job.form.who.user + " ";
    EXPECT_EQ(users, "c ");
    forms.set_texts({{"r", 0, "select 2", {}}}, now);
    EXPECT_EQ(forms.size(), 0U);
    EXPECT_TRUE(forms.has_rule("r"));
    forms.set_texts({}, now);
    EXPECT_TRUE(forms.empty());
    EXPECT_FALSE(forms.has_rule("r"));
    (void)forms.ended(jobs[0].id, outcome::failed, now);
}

TEST_F(warm_registry, AllOfARuleAreAskedWhateverIsThere) {
    configure({form_of(asker())});
    fill();
    EXPECT_TRUE(forms.all_of("other").empty());
    const auto jobs = forms.all_of("r");
    ASSERT_EQ(jobs.size(), 1U);
    EXPECT_TRUE(answer(jobs[0]).is_kept);
}

TEST_F(warm_registry, WhoAsksForARuleIsNotMadeToWaitLonger) {
    configure({form_of(asker())});
    fill();
    for (int i = 0; i < 10; ++i) {
        for (const auto& job : forms.all_of("r"))
            (void)answer(job);
    }
    memory.clear();
    EXPECT_TRUE(due().empty());
    now += warm_forms::shortest_wait;
    EXPECT_EQ(fill(), 1U);
}

TEST(WarmRequest, KnowsWhetherItHoldsValues) {
    warm_request what;
    EXPECT_FALSE(what.has_values());
    what.shape = reply_shape::extended;
    what.bind_tail = std::string("\0\0\0\0\0\0", 6);
    EXPECT_FALSE(what.has_values());
    what.bind_tail = std::string("\0\0\0\1\0\0\0\1x\0\0", 11);
    EXPECT_TRUE(what.has_values());
    what.bind_tail = "broken";
    EXPECT_TRUE(what.has_values());
}

}  // namespace
}  // namespace weir::daemon
