// An NVRTC that is none: the functions that the runtime calls; compiling is left to FAKE_NVRTC_NVCC, the fake nvcc.
//
//   FAKE_NVRTC_VERSION   1000 * major + 10 * minor (default 12040)
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>

namespace {

struct Program {
  std::string text, name, log, image;
};

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

int version() {
  const char* text = std::getenv("FAKE_NVRTC_VERSION");
  return text == nullptr ? 12040 : std::atoi(text);
}

}  // namespace

extern "C" {

int nvrtcVersion(int* major, int* minor) {
  *major = version() / 1000;
  *minor = version() % 1000 / 10;
  return 0;
}
int nvrtcGetNumSupportedArchs(int* count) {
  *count = 3;
  return 0;
}
int nvrtcGetSupportedArchs(int* list) {
  list[0] = 80, list[1] = 89, list[2] = 90;
  return 0;
}
int nvrtcCreateProgram(Program** made, const char* text, const char* name, int, const char**, const char**) {
  *made = new Program{text, name, "", ""};
  return 0;
}
int nvrtcDestroyProgram(Program** program) {
  delete *program;
  *program = nullptr;
  return 0;
}
int nvrtcCompileProgram(Program* program, int count, const char** options) {
  char folder[] = "/tmp/rmxc-fake-nvrtc-XXXXXX";
  if (mkdtemp(folder) == nullptr) return 3;
  const std::string at = std::string(folder) + "/", source = at + program->name;
  std::ofstream(source, std::ios::binary) << program->text;
  std::string command = std::getenv("FAKE_NVRTC_NVCC");
  for (int i = 0; i < count; i++) command += std::string(" '") + options[i] + "'";
  const int status = std::system((command + " -cubin -o " + at + "image " + source + " > " + at + "log 2>&1").c_str());
  program->log = content(at + "log");
  program->image = content(at + "image");
  for (const char* name : {"image", "image.cpp", "image.so", "log"}) unlink((at + name).c_str());
  unlink(source.c_str());
  rmdir(folder);
  return status == 0 ? 0 : 6;
}
int nvrtcGetProgramLogSize(Program* program, size_t* size) {
  *size = program->log.size() + 1;
  return 0;
}
int nvrtcGetProgramLog(Program* program, char* log) {
  std::memcpy(log, program->log.c_str(), program->log.size() + 1);
  return 0;
}
int nvrtcGetCUBINSize(Program* program, size_t* size) {
  *size = program->image.size();
  return 0;
}
int nvrtcGetCUBIN(Program* program, char* image) {
  std::memcpy(image, program->image.data(), program->image.size());
  return 0;
}
int nvrtcGetPTXSize(Program* program, size_t* size) { return nvrtcGetCUBINSize(program, size); }
int nvrtcGetPTX(Program* program, char* image) { return nvrtcGetCUBIN(program, image); }

}  // extern "C"
