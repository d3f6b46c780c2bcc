// Every field of a stored record is read into the struct and written again, so that no new field is
// forgotten.
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <string>

#include "controller/storage/records.h"
#include "layernas/storage/v1/records.pb.h"

namespace layernas::storage {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Gives every field a distinct value, and two to repeated fields. In a oneof, fills the alternative
// that is set, or else the first one.
class Filler {
 public:
  void Fill(Message& message) {
    const Reflection& reflection = *message.GetReflection();
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor* field = message.GetDescriptor()->field(i);
      const auto* alternatives = field->real_containing_oneof();
      if (alternatives != nullptr && reflection.HasOneof(message, alternatives) &&
          reflection.GetOneofFieldDescriptor(message, alternatives) != field) {
        continue;
      }
      if (field->is_repeated()) {
        for (int element = 0; element < 2; ++element) Add(message, field);
      } else {
        Set(message, field);
      }
    }
  }

 private:
  // The codes of states and kinds only have a few values.
  int Number(const FieldDescriptor* field) { return field->name() == "state" || field->name() == "kind" ? 3 : ++next_; }
  // Ascending, because the names of metrics are stored in this order.
  std::string Text() { return "text " + std::to_string(100'000 + ++next_); }

  void Set(Message& message, const FieldDescriptor* field) {
    const Reflection& reflection = *message.GetReflection();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return reflection.SetInt32(&message, field, Number(field));
      case FieldDescriptor::CPPTYPE_INT64:
        return reflection.SetInt64(&message, field, Number(field));
      case FieldDescriptor::CPPTYPE_UINT32:
        return reflection.SetUInt32(&message, field, Number(field));
      case FieldDescriptor::CPPTYPE_UINT64:
        return reflection.SetUInt64(&message, field, Number(field));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return reflection.SetDouble(&message, field, Number(field) + 0.5);
      case FieldDescriptor::CPPTYPE_FLOAT:
        return reflection.SetFloat(&message, field, static_cast<float>(Number(field)) + 0.5f);
      case FieldDescriptor::CPPTYPE_BOOL:
        return reflection.SetBool(&message, field, true);
      case FieldDescriptor::CPPTYPE_STRING:
        return reflection.SetString(&message, field, Text());
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Fill(*reflection.MutableMessage(&message, field));
      case FieldDescriptor::CPPTYPE_ENUM:
        FAIL() << field->full_name() << ": extend this test";
    }
  }

  void Add(Message& message, const FieldDescriptor* field) {
    const Reflection& reflection = *message.GetReflection();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_UINT32:
        return reflection.AddUInt32(&message, field, Number(field));
      case FieldDescriptor::CPPTYPE_FLOAT:
        return reflection.AddFloat(&message, field, static_cast<float>(Number(field)) + 0.5f);
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Fill(*reflection.AddMessage(&message, field));
      default:
        FAIL() << field->full_name() << ": extend this test";
    }
  }

  int next_ = 0;
};

// `leave_out` clears the fields that are only read.
template <typename Record, typename Decode, typename LeaveOut>
void ExpectEveryFieldComesBack(Record record, Decode decode, LeaveOut leave_out) {
  Filler().Fill(record);
  leave_out(record);
  const auto decoded = decode(record.SerializeAsString());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  Record again;
  ASSERT_TRUE(again.ParseFromString(Encode(*decoded)));
  google::protobuf::util::MessageDifferencer differencer;
  std::string differences;
  differencer.ReportDifferencesToString(&differences);
  EXPECT_TRUE(differencer.Compare(record, again)) << differences;
}

template <typename Record, typename Decode>
void ExpectEveryFieldComesBack(Record record, Decode decode) {
  ExpectEveryFieldComesBack(record, decode, [](Record&) {});
}

TEST(RecordsFields, OfASearchComeBack) {
  ExpectEveryFieldComesBack(v1::SearchRecord(), DecodeSearch, [](v1::SearchRecord& record) {
    // Only older versions wrote it.
    record.clear_clock_set_ms();
  });
}

TEST(RecordsFields, OfACandidateComeBack) { ExpectEveryFieldComesBack(v1::CandidateRecord(), DecodeCandidate); }

TEST(RecordsFields, OfABucketComeBack) { ExpectEveryFieldComesBack(v1::BucketRecord(), DecodeBucket); }

TEST(RecordsFields, OfALogComeBack) { ExpectEveryFieldComesBack(v1::LogRecord(), DecodeLog); }

TEST(RecordsFields, OfAChangeComeBack) {
  const auto decode = [](const std::string& bytes) { return DecodeChange(1, bytes); };
  ExpectEveryFieldComesBack(v1::ChangeRecord(), decode);
  v1::ChangeRecord of_candidate;
  of_candidate.mutable_candidate();
  ExpectEveryFieldComesBack(of_candidate, decode);
}

}  // namespace
}  // namespace layernas::storage
