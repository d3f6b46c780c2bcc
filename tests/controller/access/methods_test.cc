#include "controller/access/methods.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "layernas/v1/admin_service.pb.h"
#include "layernas/v1/fleet_service.pb.h"
#include "layernas/v1/search_service.pb.h"
#include "layernas/v1/worker_service.pb.h"

namespace layernas {
namespace {

using security::Role;

TEST(Methods, EveryMethodOfTheApiIsInTheTableAndNoOther) {
  std::set<std::string> api;
  for (const auto* file :
       {v1::GetSearchRequest::descriptor()->file(), v1::LeaseTasksRequest::descriptor()->file(),
        v1::ListWorkersRequest::descriptor()->file(), v1::CreateBackupRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        api.insert("/" + file->service(i)->full_name() + "/" + file->service(i)->method(j)->name());
      }
    }
  }
  EXPECT_GT(api.size(), 15u);
  for (const std::string& method : api)
    EXPECT_TRUE(AccessOf(method)) << method << " is for nobody: say who may call it";
  for (const auto& [method, access] : AllMethods()) {
    if (method.starts_with("/layernas.")) {
      EXPECT_TRUE(api.contains(std::string(method))) << method << " is gone";
      EXPECT_NE(access, Access::kOpen) << method;
    }
  }
}

TEST(Methods, WhatIsNotInTheTableIsForNobody) {
  EXPECT_FALSE(AccessOf("/layernas.v1.SearchService/Nothing"));
  EXPECT_FALSE(AccessOf("layernas.v1.SearchService/GetSearch"));
  EXPECT_FALSE(AccessOf(""));
}

TEST(Methods, RolesAreNotALadder) {
  const auto permitted = [](Access access) {
    std::set<Role> roles;
    for (const Role role : security::kRoles) {
      if (Permits(role, access)) roles.insert(role);
    }
    return roles;
  };
  EXPECT_EQ(permitted(Access::kOpen).size(), security::kRoles.size());
  EXPECT_EQ(permitted(Access::kRead), (std::set{Role::kReadOnly, Role::kClient, Role::kAdmin}));
  EXPECT_EQ(permitted(Access::kSearch), (std::set{Role::kClient, Role::kAdmin}));
  EXPECT_EQ(permitted(Access::kWork), (std::set{Role::kWorker, Role::kAdmin}));
  EXPECT_EQ(permitted(Access::kAdmin), (std::set{Role::kAdmin}));
}

}  // namespace
}  // namespace layernas
