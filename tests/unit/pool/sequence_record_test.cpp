#include "pool/sequence_record.hpp"

#include <gtest/gtest.h>

namespace weir::pool {
namespace {

TEST(SequenceRecord, OfNobodyIsOfNoOther) {
    const sequence_record record;
    EXPECT_FALSE(record.is_of_others(1));
    EXPECT_FALSE(record.is_of(1));
}

TEST(SequenceRecord, TellsOneFromSeveral) {
    sequence_record record;
    record.moved_by(1);
    record.moved_by(1);
    EXPECT_TRUE(record.is_of(1));
    EXPECT_FALSE(record.is_of_others(1));
    EXPECT_TRUE(record.is_of_others(2));
    record.moved_by(2);
    EXPECT_FALSE(record.is_of(1));
    EXPECT_FALSE(record.is_of(2));
    EXPECT_TRUE(record.is_of_others(1));
    EXPECT_TRUE(record.is_of_others(2));
    record.moved_by(2);
    EXPECT_TRUE(record.is_of_others(2));
}

TEST(SequenceRecord, OfTheDaemonIsOfNoClient) {
    sequence_record record;
    record.moved_by(sequence_record::daemon);
    EXPECT_TRUE(record.is_of_others(1));
    record.moved_by(1);
    EXPECT_TRUE(record.is_of_others(1));
}

TEST(SequenceRecord, IsForgotten) {
    sequence_record record;
    record.moved_by(1);
    record.moved_by(2);
    record.forget_but(2);
    EXPECT_TRUE(record.is_of(2));
    EXPECT_TRUE(record.is_of_others(1));
    record.forget();
    EXPECT_FALSE(record.is_of_others(1));
    EXPECT_FALSE(record.is_of_others(2));
}

TEST(ForgetsSequences, ForDiscardAllAndDiscardSequencesAlone) {
    for (const auto* sql :
         {"DISCARD ALL",
          "discard sequences;",
          " DISCARD\n\tALL ; ",
          "RESET ALL; DISCARD SEQUENCES; UNLISTEN *"}) {
        EXPECT_TRUE(forgets_sequences(sql)) << sql;
    }
    for (const auto* sql :
         {"",
          ";",
          "DISCARD",
          "DISCARD TEMP",
          "DISCARD PLANS; SELECT 1",
          "DISCARD ALL AND MORE",
          "RESET ALL",
          "SELECT 'a; DISCARD ALL; b'",
          "SELECT 1 /* ; DISCARD ALL; */",
          "SELECT 1 -- ; DISCARD ALL;",
          "SELECT $$;DISCARD ALL;$$"}) {
        EXPECT_FALSE(forgets_sequences(sql)) << sql;
    }
}

}  // namespace
}  // namespace weir::pool
