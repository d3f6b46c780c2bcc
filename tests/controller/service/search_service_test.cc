#include <functional>

#include "tests/controller/service/service_fixture.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using Searcher = v1::SearchService::StubInterface;

class SearchServiceTest : public ServiceTest {
 protected:
  // Returns all names, read in pages of `size`.
  std::vector<std::string> ListSearches(int size) {
    std::vector<std::string> names;
    v1::ListSearchesRequest request;
    request.set_page_size(size);
    do {
      v1::ListSearchesResponse page;
      const grpc::Status status = Searches(&Searcher::ListSearches, request, &page);
      EXPECT_TRUE(status.ok()) << status.error_message();
      EXPECT_LE(page.searches_size(), size);
      for (const v1::Search& search : page.searches()) names.push_back(search.name());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return names;
  }
};

TEST_F(SearchServiceTest, ValidatingSaysHowLargeASearchIs) {
  v1::ValidateSearchRequest request;
  *request.mutable_spec() = LayerNasSpec("s");
  v1::ValidateSearchResponse response;
  ASSERT_TRUE(Searches(&Searcher::ValidateSearch, request, &response).ok());
  EXPECT_EQ(response.summary().layers(), 3);
  EXPECT_EQ(response.summary().space_size(), 27);
  EXPECT_THAT(ListSearches(10), SizeIs(0));
}

TEST_F(SearchServiceTest, EachMistakeOfASpecIsALine) {
  v1::SearchSpec spec = LayerNasSpec("Not A Name");
  spec.mutable_objective()->clear_cost();
  v1::Search search;
  const grpc::Status created = Create(spec, &search);
  EXPECT_EQ(created.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(created.error_message(), HasSubstr("name: must be lower-case letters"));
  EXPECT_THAT(created.error_message(), HasSubstr("\nobjective.cost: "));
  v1::ValidateSearchRequest request;
  *request.mutable_spec() = spec;
  v1::ValidateSearchResponse response;
  const grpc::Status validated = Searches(&Searcher::ValidateSearch, request, &response);
  EXPECT_EQ(validated.error_code(), created.error_code());
  EXPECT_EQ(validated.error_message(), created.error_message());
  EXPECT_THAT(ListSearches(10), SizeIs(0));
}

// Through the network, where the size of trailers is limited.
TEST_F(SearchServiceTest, AThousandMistakesStillArrive) {
  v1::SearchSpec spec = LayerNasSpec("s", 30, 40);
  for (v1::Layer& layer : *spec.mutable_space()->mutable_layers()) {
    for (v1::Option& option : *layer.mutable_options()) option.set_name("günstig");
  }
  v1::ValidateSearchRequest request;
  *request.mutable_spec() = spec;
  v1::ValidateSearchResponse response;
  const auto stub = v1::SearchService::NewStub(rpc::MakeChannel({"127.0.0.1", static_cast<std::uint16_t>(port_)}));
  grpc::ClientContext context;
  SetDeadline(context);
  const grpc::Status status = stub->ValidateSearch(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("space.layers[0].options[1]"));
  EXPECT_THAT(status.error_message(), ::testing::ContainsRegex("\n… and [0-9]+ more$"));

  v1::GetSearchRequest get;
  get.set_name(std::string(100'000, 'x'));
  v1::GetSearchResponse got;
  grpc::ClientContext another;
  SetDeadline(another);
  EXPECT_EQ(stub->GetSearch(&another, get, &got).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SearchServiceTest, CreatingIsSafeToRepeat) {
  v1::CreateSearchRequest request;
  *request.mutable_spec() = LayerNasSpec("s");
  request.set_request_id("mine");
  v1::CreateSearchResponse first;
  v1::CreateSearchResponse second;
  ASSERT_TRUE(Searches(&Searcher::CreateSearch, request, &first).ok());
  ASSERT_TRUE(Searches(&Searcher::CreateSearch, request, &second).ok());
  EXPECT_EQ(first.search().name(), "searches/s-1");
  EXPECT_EQ(second.search().name(), "searches/s-1");
  EXPECT_EQ(first.search().state(), v1::SEARCH_STATE_RUNNING);
  // It is shown with its defaults.
  EXPECT_EQ(first.search().spec().objective().reward(), "accuracy");
  EXPECT_EQ(first.search().progress().stage_count(), 3);
  request.set_request_id(std::string(101, 'x'));
  EXPECT_THAT(Searches(&Searcher::CreateSearch, request, &first).error_message(), HasSubstr("request_id: is longer"));
}

TEST_F(SearchServiceTest, UnknownSearchesAreNotFound) {
  const auto expect_not_found = [this](auto method, auto request, auto response) {
    request.set_name("searches/none-9");
    EXPECT_EQ(Searches(method, request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
    request.set_name("none");
    const grpc::Status status = Searches(method, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr("\"none\" is not the name of a search"));
  };
  expect_not_found(&Searcher::GetSearch, v1::GetSearchRequest(), v1::GetSearchResponse());
  expect_not_found(&Searcher::PauseSearch, v1::PauseSearchRequest(), v1::PauseSearchResponse());
  expect_not_found(&Searcher::ResumeSearch, v1::ResumeSearchRequest(), v1::ResumeSearchResponse());
  expect_not_found(&Searcher::CancelSearch, v1::CancelSearchRequest(), v1::CancelSearchResponse());
  expect_not_found(&Searcher::DeleteSearch, v1::DeleteSearchRequest(), v1::DeleteSearchResponse());
  expect_not_found(&Searcher::GetFrontier, v1::GetFrontierRequest(), v1::GetFrontierResponse());
  expect_not_found(&Searcher::GetBuckets, v1::GetBucketsRequest(), v1::GetBucketsResponse());
  v1::ListCandidatesRequest request;
  request.set_parent("searches/none-9");
  v1::ListCandidatesResponse response;
  EXPECT_EQ(Searches(&Searcher::ListCandidates, request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(SearchServiceTest, TheLifeOfASearch) {
  const std::string name = Create(RandomSpec("s", 5));
  v1::PauseSearchRequest pause;
  pause.set_name(name);
  v1::PauseSearchResponse paused;
  ASSERT_TRUE(Searches(&Searcher::PauseSearch, pause, &paused).ok());
  EXPECT_EQ(paused.search().state(), v1::SEARCH_STATE_PAUSED);
  EXPECT_EQ(Searches(&Searcher::PauseSearch, pause, &paused).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  v1::ResumeSearchRequest resume;
  resume.set_name(name);
  v1::ResumeSearchResponse resumed;
  ASSERT_TRUE(Searches(&Searcher::ResumeSearch, resume, &resumed).ok());
  Work(5);
  const v1::Search search = Get(name);
  EXPECT_EQ(search.state(), v1::SEARCH_STATE_SUCCEEDED);
  EXPECT_EQ(search.progress().succeeded(), 5);
  EXPECT_TRUE(search.has_end_time());
  EXPECT_EQ(Cancel(name).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  v1::DeleteSearchRequest remove;
  remove.set_name(name);
  v1::DeleteSearchResponse removed;
  ASSERT_TRUE(Searches(&Searcher::DeleteSearch, remove, &removed).ok());
  EXPECT_EQ(Searches(&Searcher::DeleteSearch, remove, &removed).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(SearchServiceTest, PagesShowEachSearchOnce) {
  std::vector<std::string> expected;
  for (int i = 0; i < 7; ++i) expected.insert(expected.begin(), Create(RandomSpec("s", 5)));
  for (const int size : {1, 2, 3, 7, 8}) EXPECT_EQ(ListSearches(size), expected) << size;
}

TEST_F(SearchServiceTest, PagesOfLargeSearchesEndEarly) {
  v1::SearchSpec spec = RandomSpec("s", 5);
  auto& parameters = *spec.mutable_space()->mutable_network()->mutable_parameters()->mutable_fields();
  parameters["text"].set_string_value(std::string(1'900'000, 'x'));
  std::vector<std::string> expected;
  for (int i = 0; i < 10; ++i) expected.insert(expected.begin(), Create(spec));
  EXPECT_EQ(ListSearches(1000), expected);
  v1::ListSearchesResponse page;
  v1::ListSearchesRequest request;
  request.set_page_size(1000);
  ASSERT_TRUE(Searches(&Searcher::ListSearches, request, &page).ok());
  EXPECT_EQ(page.searches_size(), 1);
  for (const std::string& name : expected) EXPECT_TRUE(Cancel(name).ok());

  // Each layer of a candidate contains its own parameters.
  spec.mutable_space()->mutable_network()->clear_parameters();
  (*spec.mutable_space()->mutable_layers(0)->mutable_parameters()->mutable_fields())["text"].set_string_value(
      std::string(1'900'000, 'x'));
  const std::string name = Create(spec);
  Work(5);
  v1::ListCandidatesRequest candidates;
  candidates.set_parent(name);
  std::vector<std::string> names;
  int pages = 0;
  do {
    v1::ListCandidatesResponse answer;
    ASSERT_TRUE(Searches(&Searcher::ListCandidates, candidates, &answer).ok());
    for (const v1::Candidate& candidate : answer.candidates()) names.push_back(candidate.name());
    candidates.set_page_token(answer.next_page_token());
    ++pages;
  } while (!candidates.page_token().empty());
  EXPECT_EQ(pages, 5);
  EXPECT_THAT(names, ElementsAre(name + "/candidates/1", name + "/candidates/2", name + "/candidates/3",
                                 name + "/candidates/4", name + "/candidates/5"));
}

TEST_F(SearchServiceTest, PagesShowEachCandidateOnce) {
  const std::string name = Create(RandomSpec("s", 23));
  Work(23);
  for (const int size : {1, 4, 23, 1000}) {
    v1::ListCandidatesRequest request;
    request.set_parent(name);
    request.set_page_size(size);
    std::vector<std::string> names;
    do {
      v1::ListCandidatesResponse page;
      ASSERT_TRUE(Searches(&Searcher::ListCandidates, request, &page).ok());
      for (const v1::Candidate& candidate : page.candidates()) names.push_back(candidate.name());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    ASSERT_EQ(names.size(), 23u);
    for (int i = 0; i < 23; ++i) EXPECT_EQ(names[i], name + "/candidates/" + std::to_string(i + 1));
  }
}

// The default limit of a client that does not know the API's limits is 4 MiB.
constexpr std::size_t kDefaultLimit = 4 << 20;

// Makes the spec large, and so everything that contains its architectures.
void MakeLarge(v1::SearchSpec& spec, std::size_t bytes) {
  auto& parameters = *spec.mutable_space()->mutable_layers(0)->mutable_parameters()->mutable_fields();
  parameters["text"].set_string_value(std::string(bytes, 'x'));
}

TEST_F(SearchServiceTest, PagesOfLargeCandidatesAreShorter) {
  v1::SearchSpec spec = RandomSpec("s", 30);
  MakeLarge(spec, 400 << 10);
  const std::string name = Create(spec);
  Work(30);
  v1::ListCandidatesRequest request;
  request.set_parent(name);
  request.set_page_size(1000);
  std::vector<std::string> names;
  int pages = 0;
  do {
    v1::ListCandidatesResponse page;
    ASSERT_TRUE(Searches(&Searcher::ListCandidates, request, &page).ok());
    EXPECT_LT(page.ByteSizeLong(), kDefaultLimit);
    for (const v1::Candidate& candidate : page.candidates()) names.push_back(candidate.name());
    request.set_page_token(page.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_GT(pages, 2);
  ASSERT_EQ(names.size(), 30u);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(names[i], name + "/candidates/" + std::to_string(i + 1));
}

TEST_F(SearchServiceTest, PagesOfLargeSearchesAreShorter) {
  v1::SearchSpec spec = RandomSpec("s", 5);
  MakeLarge(spec, 1 << 20);
  std::vector<std::string> expected;
  for (int i = 0; i < 7; ++i) expected.insert(expected.begin(), Create(spec));
  v1::ListSearchesRequest request;
  v1::ListSearchesResponse page;
  ASSERT_TRUE(Searches(&Searcher::ListSearches, request, &page).ok());
  EXPECT_LT(page.ByteSizeLong(), kDefaultLimit);
  EXPECT_EQ(ListSearches(100), expected);
}

TEST_F(SearchServiceTest, LargeFrontiersComeInPages) {
  v1::SearchSpec spec = RandomSpec("s", 100);
  MakeLarge(spec, 1800 << 10);
  spec.mutable_objective()->add_targets(30);
  const std::string name = Create(spec);
  Work(100);
  v1::GetFrontierRequest request;
  request.set_name(name);
  std::vector<double> costs;
  int pages = 0;
  do {
    v1::GetFrontierResponse page;
    ASSERT_TRUE(Searches(&Searcher::GetFrontier, request, &page).ok());
    // The best per target comes with the first page, with separate limits.
    EXPECT_EQ(page.best_size(), pages == 0 ? 1 : 0);
    page.clear_best();
    EXPECT_LT(page.ByteSizeLong(), kDefaultLimit);
    for (const v1::FrontierPoint& point : page.points()) costs.push_back(point.cost());
    request.set_page_token(page.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_GT(pages, 1);
  EXPECT_EQ(static_cast<int>(costs.size()), Get(name).progress().frontier_size());
  EXPECT_TRUE(std::is_sorted(costs.begin(), costs.end()));
  request.set_page_size(1001);
  v1::GetFrontierResponse page;
  EXPECT_EQ(Searches(&Searcher::GetFrontier, request, &page).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SearchServiceTest, TheBestOfManyTargetsFitIntoAMessage) {
  v1::SearchSpec spec = RandomSpec("s", 5);
  MakeLarge(spec, 400 << 10);
  for (int i = 0; i < 40; ++i) spec.mutable_objective()->add_targets(30 + i);
  const std::string name = Create(spec);
  Work(5);
  v1::GetFrontierRequest request;
  request.set_name(name);
  request.set_page_size(1);
  v1::GetFrontierResponse frontier;
  ASSERT_TRUE(Searches(&Searcher::GetFrontier, request, &frontier).ok());
  EXPECT_LT(frontier.ByteSizeLong(), kDefaultLimit);
  ASSERT_EQ(frontier.best_size(), 40);
  EXPECT_GT(frontier.best(0).best().architecture().layers_size(), 0);
  EXPECT_EQ(frontier.best(39).best().architecture().layers_size(), 0);
  EXPECT_EQ(frontier.best(39).best().architecture().id(), frontier.best(0).best().architecture().id());
  EXPECT_FALSE(frontier.best(39).has_nearest());
}

TEST_F(SearchServiceTest, BucketsComeInPages) {
  const std::string name = Create(LayerNasSpec("s"));
  while (Get(name).state() == v1::SEARCH_STATE_RUNNING) Work(1);
  v1::GetBucketsRequest request;
  request.set_name(name);
  v1::GetBucketsResponse all;
  ASSERT_TRUE(Searches(&Searcher::GetBuckets, request, &all).ok());
  ASSERT_GT(all.buckets_size(), 2);
  EXPECT_EQ(all.next_page_token(), "");
  request.set_page_size(2);
  v1::GetBucketsResponse found;
  do {
    v1::GetBucketsResponse page;
    ASSERT_TRUE(Searches(&Searcher::GetBuckets, request, &page).ok());
    EXPECT_LE(page.buckets_size(), 2);
    request.set_page_token(page.next_page_token());
    found.MergeFrom(page);
  } while (!request.page_token().empty());
  found.clear_next_page_token();
  EXPECT_EQ(found.SerializeAsString(), all.SerializeAsString());
  request.set_page_token("rubbish");
  EXPECT_EQ(Searches(&Searcher::GetBuckets, request, &found).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SearchServiceTest, AnUpdateChangesWhatIsSet) {
  const std::string name = Create(RandomSpec("s", 5));
  EXPECT_EQ(Get(name).spec().sharing().weight(), 1);
  v1::UpdateSearchRequest request;
  request.set_name(name);
  request.mutable_sharing()->set_weight(2.5);
  v1::UpdateSearchResponse response;
  ASSERT_TRUE(Searches(&Searcher::UpdateSearch, request, &response).ok());
  EXPECT_EQ(response.search().spec().sharing().weight(), 2.5);
  request.mutable_sharing()->clear_weight();
  request.mutable_sharing()->set_max_running(3);
  ASSERT_TRUE(Searches(&Searcher::UpdateSearch, request, &response).ok());
  EXPECT_EQ(Get(name).spec().sharing().weight(), 2.5);
  EXPECT_EQ(Get(name).spec().sharing().max_running(), 3);

  request.mutable_sharing()->set_priority(5000);
  const grpc::Status refused = Searches(&Searcher::UpdateSearch, request, &response);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(refused.error_message(), HasSubstr("sharing.priority: must be between -1000 and 1000, is 5000"));
  request.clear_sharing();
  EXPECT_EQ(Searches(&Searcher::UpdateSearch, request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Get(name).spec().sharing().priority(), 0);
}

TEST_F(SearchServiceTest, BadPagesAreRefused) {
  const std::string name = Create(RandomSpec("s", 5));
  v1::ListSearchesRequest searches;
  v1::ListSearchesResponse found;
  searches.set_page_token("tomorrow");
  EXPECT_THAT(Searches(&Searcher::ListSearches, searches, &found).error_message(), HasSubstr("page_token: "));
  searches.clear_page_token();
  searches.set_page_size(1001);
  EXPECT_THAT(Searches(&Searcher::ListSearches, searches, &found).error_message(),
              HasSubstr("page_size: must be 1 to 1000, is 1001"));

  v1::ListCandidatesRequest request;
  v1::ListCandidatesResponse response;
  request.set_parent(name);
  request.set_page_size(-1);
  EXPECT_EQ(Searches(&Searcher::ListCandidates, request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_page_size(1);
  request.set_page_token("x");
  EXPECT_EQ(Searches(&Searcher::ListCandidates, request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.clear_page_token();
  request.add_states(v1::CANDIDATE_STATE_UNSPECIFIED);
  EXPECT_THAT(Searches(&Searcher::ListCandidates, request, &response).error_message(), HasSubstr("states[0]: "));
}

TEST_F(SearchServiceTest, WhatWasFoundIsShown) {
  v1::SearchSpec spec = LayerNasSpec("s");
  spec.mutable_objective()->add_targets(10);
  const std::string name = Create(spec);
  Work(1);
  v1::GetFrontierRequest frontier_request;
  frontier_request.set_name(name);
  v1::GetFrontierResponse frontier;
  ASSERT_TRUE(Searches(&Searcher::GetFrontier, frontier_request, &frontier).ok());
  // The most expensive architecture comes first: it exceeds the target, but there is none closer to
  // it.
  ASSERT_EQ(frontier.points_size(), 1);
  EXPECT_EQ(frontier.points(0).architecture().id(), "222");
  ASSERT_EQ(frontier.best_size(), 1);
  EXPECT_FALSE(frontier.best(0).has_best());
  EXPECT_EQ(frontier.best(0).nearest().candidate(), name + "/candidates/1");
  v1::GetBucketsRequest buckets_request;
  buckets_request.set_name(name);
  buckets_request.set_pass(1);
  v1::GetBucketsResponse buckets;
  ASSERT_TRUE(Searches(&Searcher::GetBuckets, buckets_request, &buckets).ok());
  ASSERT_EQ(buckets.buckets_size(), 1);
  EXPECT_EQ(buckets.buckets(0).entries(0).architecture_id(), "222");
  buckets_request.set_stage(9);
  EXPECT_EQ(Searches(&Searcher::GetBuckets, buckets_request, &buckets).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(SearchServiceTest, CallsAreTimed) {
  Create(RandomSpec("s", 5));
  EXPECT_EQ(metrics_.RpcSeconds("CreateSearch").Collect().histogram.sample_count, 1u);
}

// Rewrites the stored search and its first candidate, as another version may have written them.
class BrokenSearchTest : public SearchServiceTest {
 protected:
  void Rewrite(const std::function<void(v1::SearchSpec& spec, core::Candidate& first)>& change) {
    name_ = Create(LayerNasSpec("s"));
    Work(2);
    engine_->Drain();
    storage::LoadedSearch loaded = std::move(store_->LoadSearches()->front());
    v1::SearchSpec spec;
    ASSERT_TRUE(spec.ParseFromString(loaded.search.spec));
    change(spec, loaded.candidates.front());
    loaded.search.spec = spec.SerializeAsString();
    storage::Batch batch;
    batch.PutSearch(loaded.search);
    batch.PutCandidate(loaded.search.id, loaded.candidates.front());
    ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
    Stop();
    Start({});
  }
  // Every call that shows a search.
  void ExpectItIsShown() {
    EXPECT_THAT(ListSearches(10), ElementsAre(name_));
    const v1::Search shown = Get(name_);
    EXPECT_EQ(shown.state(), v1::SEARCH_STATE_FAILED);
    EXPECT_THAT(shown.state_reason(), HasSubstr("cannot continue the search"));
    EXPECT_EQ(shown.progress().succeeded(), 2);
    EXPECT_EQ(shown.progress().leased(), 0);
    v1::ListCandidatesRequest request;
    request.set_parent(name_);
    v1::ListCandidatesResponse candidates;
    ASSERT_TRUE(Searches(&Searcher::ListCandidates, request, &candidates).ok());
    ASSERT_GE(candidates.candidates_size(), 2);
    first_ = candidates.candidates(0);
    grpc::ClientContext context;
    SetDeadline(context);
    v1::WatchSearchRequest watch;
    watch.set_name(name_);
    const auto reader = searches_->WatchSearch(&context, watch);
    v1::WatchSearchResponse message;
    EXPECT_TRUE(reader->Read(&message));
    context.TryCancel();
    while (reader->Read(&message)) continue;
    reader->Finish();
  }

  std::string name_;
  v1::Candidate first_;
};

TEST_F(BrokenSearchTest, ASpecThatThisVersionRefusesEndsNoCall) {
  Rewrite([](v1::SearchSpec& spec, core::Candidate&) { spec.mutable_budget()->set_trainings(-1); });
  ExpectItIsShown();
  EXPECT_EQ(first_.architecture().layers_size(), 3);
}

TEST_F(BrokenSearchTest, AnArchitectureOfAnotherSpaceEndsNoCall) {
  Rewrite([](v1::SearchSpec&, core::Candidate& first) { first.architecture = {0, 40'000, 1}; });
  ExpectItIsShown();
  EXPECT_EQ(first_.architecture().id(), "0-40000-1");
  EXPECT_EQ(first_.architecture().layers_size(), 1);
}

TEST_F(BrokenSearchTest, AnArchitectureWithTooFewLayersEndsNoCall) {
  Rewrite([](v1::SearchSpec&, core::Candidate& first) { first.architecture = {1}; });
  ExpectItIsShown();
  EXPECT_EQ(first_.architecture().layers_size(), 1);
}

}  // namespace
}  // namespace layernas
