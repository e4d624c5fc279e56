#include "pool/session_pins.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::pool {
namespace {

using enum left_behind;

TEST(SessionPins, EndWithTheLastName) {
    session_pins pins;
    pins.add(listen, "a");
    pins.add(listen, "b");
    pins.add(listen, "a");
    pins.on_ready('I');
    pins.remove(listen, "a");
    pins.on_ready('I');
    EXPECT_EQ(pins.held(), listen);
    pins.remove(listen, "b");
    EXPECT_EQ(pins.held(), listen) << "not before the transaction ends";
    pins.on_ready('I');
    EXPECT_EQ(pins.held(), nothing);
}

TEST(SessionPins, OfTheUnnamedEndAllTogether) {
    session_pins pins;
    pins.add(listen);
    pins.on_ready('I');
    pins.remove(listen, "a");
    pins.remove(listen, "");
    pins.on_ready('I');
    EXPECT_EQ(pins.held(), listen);
    pins.remove_all(listen);
    pins.on_ready('I');
    EXPECT_EQ(pins.held(), nothing);
}

TEST(SessionPins, OfAnotherReasonStay) {
    session_pins pins;
    pins.add(listen, "a");
    pins.add(hold_cursor, "a");
    pins.on_ready('I');
    pins.remove_all(listen);
    pins.on_ready('I');
    EXPECT_EQ(pins.held(), hold_cursor);
}

TEST(SessionPins, AreRolledBack) {
    session_pins pins;
    pins.add(listen, "kept");
    pins.on_ready('I');
    pins.add(temporary_table);
    pins.remove(listen, "kept");
    EXPECT_TRUE(pins.has_staged());
    pins.on_ready('T');
    EXPECT_EQ(pins.held(), listen | temporary_table);
    pins.on_rollback();
    pins.on_ready('I');
    EXPECT_EQ(pins.held(), listen);
    EXPECT_FALSE(pins.has_staged());
}

TEST(SessionPins, OfAFailedTransactionAreRolledBackHoweverItEnds) {
    session_pins pins;
    pins.add(temporary_table);
    pins.on_ready('T');
    pins.on_error();
    pins.on_ready('E');
    pins.on_ready('I');
    EXPECT_EQ(pins.held(), nothing);
    pins.add(temporary_table);
    pins.on_error();  // in the same implicit transaction
    pins.on_ready('I');
    EXPECT_EQ(pins.held(), nothing);
    pins.add(temporary_table);
    pins.on_ready('I');
    EXPECT_EQ(pins.held(), temporary_table);
}

TEST(SessionPins, AreNotTakenForGoneAfterRollbackTo) {
    session_pins pins;
    pins.add(listen, "a");
    pins.on_ready('I');
    pins.remove(listen, "a");
    pins.on_error();
    pins.on_ready('E');
    pins.on_rollback_to();
    pins.on_commit();
    pins.on_ready('I');
    EXPECT_EQ(pins.held(), listen);
}

TEST(SessionPins, OfPreparedStatementsKnowNoTransaction) {
    session_pins pins;
    pins.add(sql_prepare, "p");
    pins.add(advisory_lock);
    EXPECT_FALSE(pins.has_staged());
    pins.on_rollback();
    EXPECT_EQ(pins.held(), sql_prepare | advisory_lock);
    pins.remove(sql_prepare, "p");
    EXPECT_EQ(pins.held(), advisory_lock);
    pins.on_rollback();
    EXPECT_EQ(pins.held(), advisory_lock);
    pins.remove_all(advisory_lock);
    EXPECT_EQ(pins.held(), nothing);
}

TEST(SessionPins, OfSequencesKnowNoTransaction) {
    session_pins pins;
    pins.add(sequence_value);
    pins.on_rollback();
    EXPECT_EQ(pins.held(), sequence_value);
    pins.remove_all(sequence_value);
    EXPECT_EQ(pins.held(), nothing);
    EXPECT_FALSE(pins.has_staged());
}

TEST(SessionPins, RemovedAndAddedAgainInOneTransactionStayEitherWay) {
    for (const bool commits : {true, false}) {
        session_pins pins;
        pins.add(listen, "a");
        pins.on_ready('I');
        pins.remove(listen, "a");
        pins.add(listen, "a");
        commits ? pins.on_commit() : pins.on_rollback();
        EXPECT_EQ(pins.held(), listen);
        pins.remove(listen, "a");
        pins.on_commit();
        EXPECT_EQ(pins.held(), nothing);
    }
}

TEST(SessionPins, AreBounded) {
    session_pins pins;
    for (std::size_t i = 0; i < 2 * session_pins::max_names; ++i)
        pins.add(listen, std::to_string(i));
    pins.on_ready('I');
    for (std::size_t i = 0; i < 2 * session_pins::max_names; ++i)
        pins.remove(listen, std::to_string(i));
    pins.on_ready('I');
    EXPECT_EQ(pins.held(), listen) << "those beyond the bound are not told apart";
    pins.clear();
    EXPECT_EQ(pins.held(), nothing);
}

}  // namespace
}  // namespace weir::pool
