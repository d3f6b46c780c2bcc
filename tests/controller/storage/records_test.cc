#include "controller/storage/records.h"

#include <gtest/gtest.h>

#include <limits>

#include "common/base/random.h"
#include "layernas/storage/v1/records.pb.h"

namespace layernas::storage {
namespace {

std::string Hex(const std::string& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    hex += kDigits[static_cast<unsigned char>(c) >> 4];
    hex += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return hex;
}

core::Candidate SmallCandidate() {
  core::Candidate candidate;
  candidate.number = 3;
  candidate.architecture = {1, 0, 300};
  candidate.position = {1, 2};
  candidate.state = core::CandidateState::kSucceeded;
  candidate.attempt = 2;
  candidate.worker = "w";
  candidate.request_id = "r";
  candidate.result_attempt = 2;
  candidate.reward = 0.5;
  candidate.cost = 2;
  candidate.metrics = {{"acc", 0.5}};
  candidate.failures = {{1, core::FailureKind::kWorkerLost, "v", "m", 7}};
  candidate.created = 5;
  candidate.started = 6;
  candidate.ended = 8;
  return candidate;
}

std::string RandomText(RandomStream& random) {
  std::string text;
  for (std::uint64_t i = random.Below(12); i > 0; --i) text.push_back(static_cast<char>(' ' + random.Below(95)));
  return text + (random.Below(2) == 0 ? "ü…" : "");
}

double RandomNumber(RandomStream& random) {
  constexpr double kSpecial[] = {0, -0.5, 1e-300, 1.7976931348623157e308, 5e-324};
  return random.Below(3) == 0 ? kSpecial[random.Below(5)] : random.Uniform() * 1e6;
}

core::Candidate RandomCandidate(RandomStream& random) {
  core::Candidate candidate;
  candidate.number = random.Next() >> random.Below(64);
  for (std::uint64_t i = random.Below(30); i > 0; --i) {
    candidate.architecture.push_back(static_cast<core::OptionIndex>(random.Next() >> random.Below(64)));
  }
  candidate.position = {static_cast<int>(random.Below(10)), static_cast<int>(random.Below(1000))};
  candidate.state = static_cast<core::CandidateState>(1 + random.Below(7));
  candidate.attempt = static_cast<int>(random.Below(1u << 31));
  candidate.worker = RandomText(random);
  candidate.request_id = RandomText(random);
  candidate.result_attempt = static_cast<int>(random.Below(20));
  candidate.reward = RandomNumber(random);
  candidate.cost = RandomNumber(random);
  if (random.Below(2) == 0) candidate.reused_from = RandomText(random);
  for (std::uint64_t i = random.Below(6); i > 0; --i) candidate.metrics.Set(RandomText(random), RandomNumber(random));
  for (std::uint64_t i = random.Below(4); i > 0; --i) {
    candidate.failures.push_back({static_cast<int>(random.Below(20)),
                                  static_cast<core::FailureKind>(1 + random.Below(3)), RandomText(random),
                                  RandomText(random), static_cast<UnixMillis>(random.Next() >> 20)});
  }
  candidate.created = static_cast<UnixMillis>(random.Next() >> 20);
  candidate.started = static_cast<UnixMillis>(random.Next() >> 20);
  candidate.ended = static_cast<UnixMillis>(random.Next() >> 20);
  candidate.repeat_of = random.Next() >> random.Below(64);
  candidate.repeat = static_cast<int>(random.Below(20));
  candidate.final_of = random.Next() >> random.Below(64);
  candidate.final_seed = static_cast<int>(random.Below(20));
  candidate.twin_of = random.Next() >> random.Below(64);
  if (random.Below(2) == 0) {
    candidate.weights.push_back(
        {RandomText(random), RandomText(random), static_cast<std::int64_t>(random.Next() >> 20)});
  }
  candidate.measured_attempt = static_cast<int>(random.Below(20));
  for (int epoch = 1; epoch < static_cast<int>(random.Below(6)); ++epoch) {
    candidate.curve.push_back({epoch, static_cast<float>(random.Uniform())});
  }
  return candidate;
}

TEST(Records, EveryFieldOfACandidateComesBack) {
  RandomStream random({2});
  std::string candidate_bytes;
  std::string change_bytes;
  for (int i = 0; i < 500; ++i) {
    const core::Candidate candidate = RandomCandidate(random);
    const auto decoded = DecodeCandidate(Encode(candidate));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, candidate);
    EXPECT_EQ(*DecodeCandidateState(Encode(candidate)), candidate.state);
    const StoredChange change{random.Next(), static_cast<UnixMillis>(random.Next() >> 20), candidate};
    // The strings already contain other data.
    EncodeTo(candidate_bytes, candidate);
    EXPECT_EQ(candidate_bytes, Encode(candidate));
    EncodeChangeTo(change_bytes, change.time, candidate_bytes);
    EXPECT_EQ(change_bytes, Encode(change));
    const auto decoded_change = DecodeChange(change.sequence, Encode(change));
    ASSERT_TRUE(decoded_change.ok()) << decoded_change.status();
    EXPECT_EQ(*decoded_change, change);
  }
}

TEST(Records, EveryFieldOfASearchComesBack) {
  for (int state = 1; state <= 5; ++state) {
    StoredSearch search{std::numeric_limits<std::uint64_t>::max(),
                        "a-slug",
                        std::string("\0\xff\x01 any bytes", 13),
                        static_cast<core::SearchState>(state),
                        "why … it is so",
                        1'700'000'000'123,
                        1'700'000'000'999,
                        "request 1",
                        std::nullopt};
    if (state > 2) search.sharing = core::Sharing{0.25 * state, -state, state};
    search.end_store_time = 1'700'000'000'777;
    search.end_is_early = state % 2 == 0;
    const auto decoded = DecodeSearch(Encode(search));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, search);
  }
}

TEST(Records, TheTimesOfAnOlderVersionAreThoseOfTheStore) {
  v1::SearchRecord record;
  record.set_state(1);
  record.set_create_unix_ms(1'000);
  record.set_start_unix_ms(2'000);
  record.set_end_unix_ms(9'000);
  record.set_clock_set_ms(-500);
  const auto decoded = DecodeSearch(record.SerializeAsString());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->start_store_time, 1'500);
  EXPECT_EQ(decoded->end_store_time, 9'000);
}

TEST(Records, BucketsAndSearchChangesComeBack) {
  const std::vector<StoredBucketEntry> bucket = {{7, 0.75, 1.5}, {1, -0.25, 0}};
  EXPECT_EQ(*DecodeBucket(Encode(bucket)), bucket);
  EXPECT_TRUE(DecodeBucket(Encode(std::vector<StoredBucketEntry>()))->empty());
  const StoredChange change{9, 1234, std::nullopt};
  EXPECT_EQ(*DecodeChange(9, Encode(change)), change);
}

// A change here requires a new schema version.
TEST(Records, GoldenBytes) {
  EXPECT_EQ(Hex(Encode(SmallCandidate())),
            "080312040100ac0218032001280230023a0177420172"
            "49000000000000e03f5100000000000000405a0e0a0361636311000000000000e03f"
            "620c080110031a017622016d2807680570067808800102");
  EXPECT_EQ(Hex(Encode(StoredSearch{300, "s", "p", core::SearchState::kFailed, "why", 5, 6, "r"})),
            "08ac0212017018042203776879280530063a0172420173");
  EXPECT_EQ(Hex(Encode(StoredChange{1, 5, std::nullopt})), "08051001");
  EXPECT_EQ(Hex(Encode(StoredChange{1, 5, core::Candidate{}})), "08051a021801");
  EXPECT_EQ(Hex(Encode(std::vector<StoredBucketEntry>{{7, 0.5, 2}})), "0a14080711000000000000e03f190000000000000040");
  EXPECT_EQ(Hex(Encode(StoredLog{"w", 7, "t\n", 3})), "0a017710071a02740a2003");
}

void ExpectDataLoss(const absl::Status& status) { EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status; }

TEST(Records, CutBytesAreRefusedOrDiffer) {
  const core::Candidate candidate = SmallCandidate();
  const std::string bytes = Encode(candidate);
  int refused = 0;
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const auto decoded = DecodeCandidate(std::string_view(bytes).substr(0, length));
    if (decoded.ok()) {
      EXPECT_NE(*decoded, candidate);
    } else {
      ExpectDataLoss(decoded.status());
      ++refused;
    }
  }
  // Only a cut between two fields is well-formed.
  EXPECT_GT(refused, static_cast<int>(bytes.size()) / 2);
}

TEST(Records, RubbishIsDataLoss) {
  for (const std::string& rubbish : {std::string("\xff\xff\xff"), std::string("not a record"), std::string()}) {
    ExpectDataLoss(DecodeSearch(rubbish).status());
    ExpectDataLoss(DecodeCandidate(rubbish).status());
    ExpectDataLoss(DecodeCandidateState(rubbish).status());
    ExpectDataLoss(DecodeChange(1, rubbish).status());
  }
  ExpectDataLoss(DecodeBucket("\xff\xff\xff").status());
}

TEST(Records, ValuesWithoutAMeaningAreDataLoss) {
  core::Candidate candidate = SmallCandidate();
  candidate.state = static_cast<core::CandidateState>(8);
  ExpectDataLoss(DecodeCandidate(Encode(candidate)).status());
  candidate = SmallCandidate();
  candidate.failures[0].kind = static_cast<core::FailureKind>(0);
  ExpectDataLoss(DecodeCandidate(Encode(candidate)).status());
  ExpectDataLoss(DecodeChange(1, Encode(StoredChange{1, 5, candidate})).status());
  StoredSearch search;
  search.state = static_cast<core::SearchState>(6);
  ExpectDataLoss(DecodeSearch(Encode(search)).status());
  for (const double weight : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
    search = StoredSearch();
    search.sharing = core::Sharing{weight, 0, 0};
    ExpectDataLoss(DecodeSearch(Encode(search)).status());
  }
  // The choice 65,536 (field 2, packed, 3 bytes). No option has that index, and it must not be read
  // as 0.
  ExpectDataLoss(DecodeCandidate(std::string("\x08\x01\x12\x03\x80\x80\x04\x18\x01", 9)).status());
}

}  // namespace
}  // namespace layernas::storage
