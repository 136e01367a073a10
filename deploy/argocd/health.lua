-- How healthy an ImageBuild (kiln.build) is, for Argo CD. It reads what kstatus reads, and tells a suspended one apart.
-- No library is used. The same text stands in argocd-cm.yaml beside this file; a test compares the two.
local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local function holds(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end
local function message(name, otherwise)
  local condition = conditions[name]
  if condition == nil or condition.message == nil or condition.message == "" then
    return otherwise
  end
  return condition.message
end

if obj.metadata.deletionTimestamp ~= nil then
  return {status = "Progressing", message = "being deleted"}
end
if obj.spec.suspend == true then
  return {status = "Suspended", message = message("Ready", "suspended")}
end
if status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "waiting for Kiln to look at it"}
end
if holds("Stalled") then
  return {status = "Degraded", message = message("Stalled", "stalled")}
end
if holds("Reconciling") then
  return {status = "Progressing", message = message("Reconciling", "being built")}
end
if holds("Ready") then
  return {status = "Healthy", message = message("Ready", "ready")}
end
return {status = "Progressing", message = message("Ready", "waiting for the first build")}
