package api

import (
	"context"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/domain/hotel"
)

// inventoryService serves counts and rates: the change here, the query in availability.go.
type inventoryService struct{ *API }

// SetInventory sets a range of nights.
func (s *inventoryService) SetInventory(ctx context.Context, req *connect.Request[lodgev1.SetInventoryRequest]) (*connect.Response[lodgev1.SetInventoryResponse], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	body, err := setInventory(req.Msg)
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse(&lodgev1.SetInventoryResponse{NightCount: int32(body.End - body.Start)})
	result, err := s.execute(ctx, c, body, res.Header())
	if err != nil {
		return nil, err
	}
	res.Msg.Position = result.Position.String()
	return res, nil
}

func setInventory(req *lodgev1.SetInventoryRequest) (*hotel.SetInventory, error) {
	hotelID, roomType, err := parseRoomType(req.GetRoomType(), "room_type")
	if err != nil {
		return nil, err
	}
	start, err := fromDate(req.GetStartDate(), "start_date")
	if err != nil {
		return nil, err
	}
	end, err := fromDate(req.GetEndDate(), "end_date")
	if err != nil {
		return nil, err
	}
	var rate *domain.Money
	if req.GetNightlyRate() != nil {
		amount, err := fromMoney(req.GetNightlyRate(), "nightly_rate")
		if err != nil {
			return nil, err
		}
		rate = &amount
	}
	return &hotel.SetInventory{
		Hotel: hotelID, RoomType: roomType, Start: start, End: end,
		PhysicalCount: req.PhysicalCount, OutOfOrderCount: req.OutOfOrderCount, OverbookingLimit: req.OverbookingLimit,
		NightlyRate: rate, OverbookingPercent: req.OverbookingPercent,
	}, nil
}
